//! A new gateway in place of this one, while clients come: it is started with the listening sockets, and says when it is ready. Then
//! the old one accepts nobody any more, takes nothing new into its log, and says so; only then the new one accepts, so that no message
//! goes to a log that its readers have left. Who comes in between waits in the sockets' queues. Last, the old one sends its clients over.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::PathBuf,
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use tokio::{process::Child, time::timeout};

use crate::lifecycle::sockets::inherited::HANDOVER_SOCKET;

/// The first descriptor that a process is handed (`sd_listen_fds(3)`).
const FIRST_FD: i32 = 3;

/// How long a new gateway may take until it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// What it says then.
const READY: &[u8] = b"READY=1";

/// What the old one says when it accepts nobody any more.
const RELEASED: &[u8] = b"YOURS=1";

/// How long a new gateway waits for that. It comes within a moment, or the old one hangs.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// How to start this program again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    /// As it was started. Call it at the start: later another file may have taken its place, and that is the one to start.
    pub fn current() -> Self {
        let mut args = std::env::args_os();
        let argv0 = PathBuf::from(args.next().unwrap_or_default());
        // A path that it was called by may be a link, which then leads to another version. One that was found in PATH the
        // system knows, if it tells (/proc).
        let path = match argv0.components().count() {
            2.. => std::path::absolute(&argv0).unwrap_or(argv0),
            _ => std::env::current_exe().unwrap_or(argv0),
        };
        Self { path, args: args.collect() }
    }

    /// Starts it with listening sockets, by name; returns when it is ready to serve.
    ///
    /// # Errors
    /// When it cannot start, or does not become ready. It is not left behind then.
    pub(crate) async fn start_with(
        &self,
        sockets: Vec<(String, OwnedFd)>,
    ) -> anyhow::Result<Successor> {
        let (own_end, child_end) = UnixDatagram::pair()?;
        own_end.set_nonblocking(true)?;
        let own_end = tokio::net::UnixDatagram::from_std(own_end)?;
        let passed =
            [(HANDOVER_SOCKET.to_owned(), OwnedFd::from(child_end))].into_iter().chain(sockets);
        let (names, sockets): (Vec<_>, Vec<_>) = passed.unzip();
        let mut command = Command::new(&self.path);
        // Both name the process that they were meant for.
        command.args(&self.args).env_remove("LISTEN_PID").env_remove("WATCHDOG_PID");
        command.env("LISTEN_FDS", names.len().to_string());
        command.env("LISTEN_FDNAMES", names.join(":"));
        let mapping = |(child_fd, parent_fd)| FdMapping { parent_fd, child_fd };
        command.fd_mappings((FIRST_FD..).zip(sockets).map(mapping).collect())?;
        let child = tokio::process::Command::from(command)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let mut attempt = PendingSuccessor(Some(child));
        let mut message = [0; READY.len()];
        let ready = tokio::select! {
            said = timeout(READY_TIMEOUT, own_end.recv(&mut message)) => match said {
                Ok(received) => received.context("the new gateway cannot be heard"),
                Err(_) => Err(anyhow::anyhow!("the new gateway was not ready within {} s", READY_TIMEOUT.as_secs())),
            },
            ended = attempt.ended() => Err(anyhow::anyhow!("the new gateway has ended: {}", ended?)),
        };
        let length = ready?;
        anyhow::ensure!(message[..length] == *READY, "the new gateway has ended");
        let child = attempt.0.take().and_then(|child| child.id());
        Ok(Successor { pid: child.context("the new gateway has ended")?, socket: own_end })
    }
}

/// A new gateway that is not ready yet. It is not left behind if nobody waits for it any more.
struct PendingSuccessor(Option<Child>);

impl PendingSuccessor {
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.0 {
            Some(child) => child.wait().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for PendingSuccessor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.start_kill();
        }
    }
}

/// A new gateway that is ready, and waits for its turn.
#[derive(Debug)]
pub struct Successor {
    pid: u32,
    socket: tokio::net::UnixDatagram,
}

impl Successor {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Has it read its settings again: they may have changed since it did.
    pub(crate) fn send_sighup(&self) {
        let process = rustix::process::Pid::from_raw(self.pid.cast_signed());
        let result =
            process.map(|it| rustix::process::kill_process(it, rustix::process::Signal::HUP));
        if let Some(Err(error)) = result {
            tracing::warn!(%error, "the new gateway cannot be told to read its settings again");
        }
    }

    /// From here on it accepts connections.
    pub(crate) fn start_accepting(self) {
        if let Err(error) = self.socket.try_send(RELEASED) {
            tracing::error!(%error, "the new gateway cannot be told that it is its turn");
        }
    }
}

/// The old gateway, that waits for this one to be ready.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixDatagram);

impl Predecessor {
    pub(crate) fn new(socket: UnixDatagram) -> Self {
        Self(socket)
    }

    /// Says that this gateway is ready, and waits until the old one accepts nobody any more.
    ///
    /// # Errors
    /// When nobody waits any more: whoever does not goes on itself.
    pub(crate) async fn take_over(self) -> io::Result<()> {
        self.0.set_nonblocking(true)?;
        let socket = tokio::net::UnixDatagram::from_std(self.0)?;
        socket.send(READY).await?;
        let mut message = [0; RELEASED.len()];
        match timeout(RELEASE_TIMEOUT, socket.recv(&mut message)).await {
            Ok(received) => received.map(drop),
            Err(_) => {
                tracing::warn!("the old gateway does not let go; this one begins all the same");
                Ok(())
            }
        }
    }
}
