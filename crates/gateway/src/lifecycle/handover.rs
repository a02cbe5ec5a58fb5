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

use crate::lifecycle::inherited::HANDOVER;

/// The first descriptor that a process is handed (`sd_listen_fds(3)`).
const FIRST: i32 = 3;

/// How long a new gateway may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it says then.
const READY: &[u8] = b"READY=1";

/// What the old one says when it accepts nobody any more.
const YOURS: &[u8] = b"YOURS=1";

/// How long a new gateway waits for that. It comes within a moment, or the old one hangs.
const LETTING_GO: Duration = Duration::from_secs(10);

/// How to start this program again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    /// As it was started. Call it at the start: later another file may have taken its place, and that is the one to start.
    pub fn own() -> Self {
        let mut args = std::env::args_os();
        let called = PathBuf::from(args.next().unwrap_or_default());
        // A path that it was called by may be a link, which then leads to another version. One that was found in PATH the
        // system knows, if it tells (/proc).
        let path = match called.components().count() {
            2.. => std::path::absolute(&called).unwrap_or(called),
            _ => std::env::current_exe().unwrap_or(called),
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
        let (here, there) = UnixDatagram::pair()?;
        here.set_nonblocking(true)?;
        let here = tokio::net::UnixDatagram::from_std(here)?;
        let handed = [(HANDOVER.to_owned(), OwnedFd::from(there))].into_iter().chain(sockets);
        let (names, sockets): (Vec<_>, Vec<_>) = handed.unzip();
        let mut command = Command::new(&self.path);
        // Both name the process that they were meant for.
        command.args(&self.args).env_remove("LISTEN_PID").env_remove("WATCHDOG_PID");
        command.env("LISTEN_FDS", names.len().to_string());
        command.env("LISTEN_FDNAMES", names.join(":"));
        let mapping = |(child_fd, parent_fd)| FdMapping { parent_fd, child_fd };
        command.fd_mappings((FIRST..).zip(sockets).map(mapping).collect())?;
        let child = tokio::process::Command::from(command)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let mut attempt = Attempt(Some(child));
        let mut said = [0; READY.len()];
        let ready = tokio::select! {
            said = timeout(PATIENCE, here.recv(&mut said)) => match said {
                Ok(said) => said.context("the new gateway cannot be heard"),
                Err(_) => Err(anyhow::anyhow!("the new gateway was not ready within {} s", PATIENCE.as_secs())),
            },
            ended = attempt.ended() => Err(anyhow::anyhow!("the new gateway has ended: {}", ended?)),
        };
        let length = ready?;
        anyhow::ensure!(said[..length] == *READY, "the new gateway has ended");
        let child = attempt.0.take().and_then(|child| child.id());
        Ok(Successor { process: child.context("the new gateway has ended")?, line: here })
    }
}

/// A new gateway that is not ready yet. It is not left behind if nobody waits for it any more.
struct Attempt(Option<Child>);

impl Attempt {
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.0 {
            Some(child) => child.wait().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Attempt {
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
    process: u32,
    line: tokio::net::UnixDatagram,
}

impl Successor {
    /// Its process id.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Has it read its settings again: they may have changed since it did.
    pub(crate) fn hang_up(&self) {
        let process = rustix::process::Pid::from_raw(self.process.cast_signed());
        let told =
            process.map(|it| rustix::process::kill_process(it, rustix::process::Signal::HUP));
        if let Some(Err(error)) = told {
            tracing::warn!(%error, "the new gateway cannot be told to read its settings again");
        }
    }

    /// From here on it accepts connections.
    pub(crate) fn take_your_turn(self) {
        if let Err(error) = self.line.try_send(YOURS) {
            tracing::error!(%error, "the new gateway cannot be told that it is its turn");
        }
    }
}

/// The old gateway, that waits for this one to be ready.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixDatagram);

impl Predecessor {
    pub(crate) fn at(line: UnixDatagram) -> Self {
        Self(line)
    }

    /// Says that this gateway is ready, and waits until the old one accepts nobody any more.
    ///
    /// # Errors
    /// When nobody waits any more: whoever does not goes on itself.
    pub(crate) async fn take_over(self) -> io::Result<()> {
        self.0.set_nonblocking(true)?;
        let line = tokio::net::UnixDatagram::from_std(self.0)?;
        line.send(READY).await?;
        let mut said = [0; YOURS.len()];
        match timeout(LETTING_GO, line.recv(&mut said)).await {
            Ok(said) => said.map(drop),
            Err(_) => {
                tracing::warn!("the old gateway does not let go; this one begins all the same");
                Ok(())
            }
        }
    }
}
