//! A new gateway in place of this one, while clients come: it is started with the listening sockets, and says when it is ready. Then
//! the old one accepts nobody any more, and sends its clients over.

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

use crate::inherited::HANDOVER;

/// The first descriptor that a process is handed (`sd_listen_fds(3)`).
const FIRST: i32 = 3;

/// How long a new gateway may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it says then.
const READY: &[u8] = b"READY=1";

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
    pub(crate) async fn start_with(&self, sockets: Vec<(String, OwnedFd)>) -> anyhow::Result<u32> {
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
        attempt.0.take().and_then(|child| child.id()).context("the new gateway has ended")
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

/// Tells whoever waits that this gateway serves.
///
/// # Errors
/// When nobody waits any more.
pub(crate) fn take_over(predecessor: &UnixDatagram) -> io::Result<()> {
    predecessor.send(READY).map(drop)
}
