//! Listening sockets that are there already: systemd's (socket activation), or those of a gateway that this one takes over from. Either
//! way connections that come meanwhile wait, and none is refused.

use std::{
    env::VarError,
    io,
    os::unix::net::{UnixDatagram, UnixListener},
};

use anyhow::Context as _;
use listenfd::ListenFd;

use tricast_net::ListenSocket;

use crate::{lifecycle::handover::Predecessor, settings::Address};

/// What stands behind the name of a socket that the old gateway has bound itself, as its settings said: the new one looks whether
/// its own still do.
const SELF_BOUND_SUFFIX: &str = "-bound";

/// The name of the socket that the old gateway waits at.
pub(crate) const HANDOVER_SOCKET: &str = "handover";

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// In place of `bind`.
    Http,
    /// In place of `tls.bind`.
    Https,
    /// In place of `admin.bind`.
    Admin,
}

impl Purpose {
    /// By which name it is handed in (`FileDescriptorName=` of a socket unit).
    fn name(self) -> &'static str {
        match self {
            Purpose::Http => "http",
            Purpose::Https => "https",
            Purpose::Admin => "admin",
        }
    }

    /// Names that say nothing mean the main socket: none at all, and what systemd calls that of our own unit if nobody names it.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "http" | "" | "unknown" | "tricast.socket" => Some(Purpose::Http),
            "https" => Some(Purpose::Https),
            "admin" => Some(Purpose::Admin),
            _ => None,
        }
    }
}

/// A socket to listen at.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(crate) socket: ListenSocket,
    /// It is where the settings want it, and not where somebody else has put it, who keeps it open.
    pub(crate) self_bound: bool,
}

impl BoundListener {
    /// By which name whoever takes over gets it.
    pub(crate) fn handover_name(&self, purpose: Purpose) -> String {
        format!("{}{}", purpose.name(), if self.self_bound { SELF_BOUND_SUFFIX } else { "" })
    }
}

/// What the process was started with.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(Purpose, BoundListener)>,
    predecessor: Option<Predecessor>,
}

impl Inherited {
    /// Takes what the environment names (`LISTEN_FDS`, `LISTEN_FDNAMES`). Call it once, before there are threads.
    ///
    /// # Errors
    /// When something else than listening sockets of known names was handed in.
    pub fn take() -> anyhow::Result<Self> {
        let names = match std::env::var("LISTEN_FDNAMES") {
            Ok(names) => names,
            Err(VarError::NotPresent) => String::new(),
            // Without its name the admin socket would be taken for the public one.
            Err(VarError::NotUnicode(_)) => anyhow::bail!(
                "LISTEN_FDNAMES is not UTF-8; name each socket http, https or admin (FileDescriptorName=)"
            ),
        };
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default();
            let context = || format!("the socket {name:?} that was handed in (LISTEN_FDS)");
            if name == HANDOVER_SOCKET {
                let socket: Option<UnixDatagram> =
                    passed.take_unix_datagram(index).with_context(context)?;
                inherited.predecessor = socket.map(Predecessor::new);
                continue;
            }
            let (known, self_bound) = match name.strip_suffix(SELF_BOUND_SUFFIX) {
                Some(known) => (known, true),
                None => (name, false),
            };
            let purpose = Purpose::from_name(known).with_context(|| {
                format!("{}: name it http, https or admin (FileDescriptorName=)", context())
            })?;
            let socket = take_listen_socket(&mut passed, index).with_context(context)?;
            inherited.sockets.push((purpose, BoundListener { socket, self_bound }));
        }
        Ok(inherited)
    }

    /// The sockets for this: what was handed in for it; or those of `wanted` that are there already, and the others anew.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub(crate) fn sockets_for(
        &mut self,
        purpose: Purpose,
        (key, wanted): (&str, &[Address]),
    ) -> anyhow::Result<Vec<BoundListener>> {
        let passed = self.take_for(purpose, false);
        if !passed.is_empty() {
            return Ok(passed);
        }
        let mut self_bound = self.take_for(purpose, true);
        let socket_for = |address: &Address| {
            let fits =
                |own: &BoundListener| own.socket.address().is_ok_and(|own| address.matches(&own));
            if let Some(index) = self_bound.iter().position(fits) {
                return Ok(self_bound.swap_remove(index));
            }
            let socket = ListenSocket::bind(address).with_context(|| {
                format!("cannot listen on {address}; free it, or set {key} to another address")
            })?;
            Ok(BoundListener { socket, self_bound: true })
        };
        wanted.iter().map(socket_for).collect()
    }

    /// # Errors
    /// When somebody has handed in a socket that nobody has asked for. What the old gateway had, and the settings want no more, is
    /// closed.
    pub(crate) fn check_all_used(&self) -> anyhow::Result<()> {
        match self.sockets.iter().find(|(_, listener)| !listener.self_bound) {
            None => Ok(()),
            Some((purpose, _)) => anyhow::bail!(
                "a socket named {} was handed in, but there is no certificate; set [tls]",
                purpose.name()
            ),
        }
    }

    fn take_for(&mut self, purpose: Purpose, self_bound: bool) -> Vec<BoundListener> {
        let wanted = |(own, listener): &mut (Purpose, BoundListener)| {
            *own == purpose && listener.self_bound == self_bound
        };
        self.sockets.extract_if(.., wanted).map(|(_, listener)| listener).collect()
    }

    /// Whoever waits for this gateway to take over.
    pub(crate) fn predecessor(&mut self) -> Option<Predecessor> {
        self.predecessor.take()
    }
}

fn take_listen_socket(passed: &mut ListenFd, index: usize) -> io::Result<ListenSocket> {
    // An attempt that fails leaves the socket where it is.
    if let Ok(Some(socket)) = passed.take_tcp_listener(index) {
        socket.set_nonblocking(true)?;
        return Ok(socket.into());
    }
    let socket: Option<UnixListener> = passed.take_unix_listener(index)?;
    let socket = socket.ok_or(io::ErrorKind::NotFound)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
