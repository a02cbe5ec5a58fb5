//! The limit of open files (`ulimit -n`): each connection is a file, so the limit decides how many
//! subscribers fit, and whether a gateway can work at all.

use crate::{
    lifecycle::log_folder,
    settings::{Delivery, Settings},
};

/// File descriptors that are not for clients: listening sockets, and those of libraries.
const RESERVED_FILES: usize = 200;

/// File descriptors that remain for requests when the connection limit is reached.
const FILES_FOR_REQUESTS: usize = 100;

/// File descriptors of the standard streams, the runtime and the signals.
const RUNTIME_FILES: usize = 10;

/// File descriptors of each listening socket: the socket, its duplicate for a successor, and the
/// two of its accept loop.
const FILES_PER_LISTENER: usize = 4;

/// One subscriber, and one connection to the admin listener.
const LEAST_CONNECTIONS: usize = 2;

/// Below this limit of open files, the start warns of how little fits.
const FEW_FILES: usize = 1000;

/// Returns the number of sockets that clients may open: what the limit of open files leaves.
pub(crate) fn max_sockets(settings: &Settings) -> usize {
    sockets_within(limit(), settings)
}

/// Returns the connection limit: how many streams may be open at once.
pub(crate) fn max_connections(settings: &Settings) -> usize {
    match settings.limits.connections {
        0 => streams_within(limit(), settings),
        set => set,
    }
}

/// Returns the number of shards; the generic delivery has none.
pub(crate) fn shard_count(settings: &Settings) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match (settings.delivery, settings.shards) {
        (Delivery::Generic, _) => 0,
        (_, 0) => processors.div_ceil(2),
        (_, set) => set,
    }
}

/// Checks that the limit of open files is enough for the gateway itself and a first client.
///
/// # Errors
/// When it is not.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    let (files, needed) = (limit(), needed(settings));
    anyhow::ensure!(
        files >= needed,
        "the limit of open files is {files}, and the gateway needs at least {needed}, and one for \
         each client; raise it: ulimit -n 65536, LimitNOFILE=65536 in a unit of systemd, or \
         --ulimit nofile=65536:65536 of Docker"
    );
    Ok(())
}

/// Warns if few subscribers fit, or fewer than the settings say.
pub(crate) fn warn_if_few(settings: &Settings) {
    let (files, set) = (limit(), settings.limits.connections);
    let subscribers = streams_within(files, settings);
    let room = match subscribers {
        1 => "1 subscriber".to_owned(),
        _ => format!("{subscribers} subscribers"),
    };
    if set > subscribers {
        tracing::warn!(
            files,
            subscribers,
            "limits.connections = {set}, but the limit of open files leaves room for {room}; \
             raise it (ulimit -n, LimitNOFILE= of systemd, --ulimit of Docker)"
        );
    } else if set == 0 && files < FEW_FILES {
        tracing::warn!(
            files,
            subscribers,
            "the limit of open files leaves room for {room}; raise it \
             (ulimit -n, LimitNOFILE= of systemd, --ulimit of Docker)"
        );
    }
}

fn limit() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

fn sockets_within(files: usize, settings: &Settings) -> usize {
    let reserved = RESERVED_FILES + settings.hook.connections() + log_folder::files(settings);
    files.saturating_sub(reserved).max(1)
}

fn streams_within(files: usize, settings: &Settings) -> usize {
    sockets_within(files, settings).saturating_sub(FILES_FOR_REQUESTS).max(1)
}

fn needed(settings: &Settings) -> usize {
    // An epoll instance and its waker, and perhaps a ring.
    let files_per_shard = if settings.delivery == Delivery::IoUring { 3 } else { 2 };
    let listeners = settings.bind.len() + settings.tls.bind.len() + 1;
    RUNTIME_FILES
        + FILES_PER_LISTENER * listeners
        + files_per_shard * shard_count(settings)
        + log_folder::files(settings)
        + LEAST_CONNECTIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_files_is_shared_by_subscribers_and_the_rest() {
        let settings = Settings::from_toml("").expect("good settings");
        assert_eq!(streams_within(22, &settings), 1);
        assert_eq!(streams_within(1200, &settings), 900 - settings.hook.connections());
        assert_eq!(sockets_within(1200, &settings), 1000 - settings.hook.connections());
        let log = Settings::from_toml("log.path = \"/l\"\nlog.bytes = \"10GiB\"").expect("good");
        assert_eq!(sockets_within(1200, &log), 1000 - log.hook.connections() - 2 * (160 + 50));
    }

    #[test]
    fn each_listener_and_shard_needs_files_of_its_own() {
        let needed = |text: &str| needed(&Settings::from_toml(text).expect("good settings"));
        let one = "delivery = \"epoll\"\nshards = 1";
        assert_eq!(needed(one), 22);
        assert_eq!(needed("delivery = \"epoll\"\nshards = 5"), 22 + 8);
        assert_eq!(needed("delivery = \"generic\""), 20);
        let log = format!("{one}\nlog.path = \"/l\"\nlog.bytes = \"10GiB\"");
        assert_eq!(needed(&log), 22 + 2 * (160 + 50), "a failed log for lack of files is no log");
        let two = format!("{one}\nbind = [\"127.0.0.1:1\", \"127.0.0.1:2\"]");
        assert_eq!(needed(&two), 22 + 4);
    }
}
