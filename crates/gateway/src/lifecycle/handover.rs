//! Handover: a new gateway replaces a running one.
//!
//! The old process starts the new one with copies of the listening sockets, and the new one reports
//! when it is ready. The old one then stops accepting connections and messages, and reports that it
//! has released the sockets. Only now the new one accepts, so that no message goes to a log that
//! its readers have left. Connections that arrive in between wait in the sockets' queues. Last, the
//! old process sends its clients a goodbye, and they reconnect to the new one.

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

/// First inherited descriptor (`sd_listen_fds(3)`).
const FIRST_FD: i32 = 3;

/// Time for a new gateway to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Message of a new gateway that is ready.
const READY: &[u8] = b"READY=1";

/// Message of the old gateway when it has released the sockets.
const RELEASED: &[u8] = b"YOURS=1";

/// Time that a new gateway waits for [`RELEASED`]. It arrives within milliseconds unless the old
/// gateway hangs.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// The command line that starts this program again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    /// Returns the command line of this process. Call this first thing: an update may replace the
    /// file later, and it is the new file that a handover has to start.
    pub fn current() -> Self {
        let mut args = std::env::args_os();
        let argv0 = PathBuf::from(args.next().unwrap_or_default());
        // A path on the command line may be a symbolic link, which an update points at the new
        // version. A name that was found in PATH has to be resolved by the system (/proc).
        let path = match argv0.components().count() {
            2.. => std::path::absolute(&argv0).unwrap_or(argv0),
            _ => std::env::current_exe().unwrap_or(argv0),
        };
        Self { path, args: args.collect() }
    }

    /// Starts the program with these named listening sockets, and returns when it is ready.
    ///
    /// # Errors
    /// When it does not start or does not become ready. The new process is killed then.
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
        // These hold the process id of this process.
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
            received = timeout(READY_TIMEOUT, own_end.recv(&mut message)) => match received {
                Ok(received) => received.context("cannot receive from the new gateway"),
                Err(_) => {
                    let seconds = READY_TIMEOUT.as_secs();
                    Err(anyhow::anyhow!("the new gateway was not ready within {seconds} s"))
                }
            },
            ended = attempt.ended() => Err(anyhow::anyhow!("the new gateway exited: {}", ended?)),
        };
        let length = ready?;
        anyhow::ensure!(message[..length] == *READY, "the new gateway exited");
        let child = attempt.0.take().and_then(|child| child.id());
        Ok(Successor { pid: child.context("the new gateway exited")?, socket: own_end })
    }
}

/// A new gateway that is not ready yet. Dropping this kills the process.
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
            // The process may have exited already.
            let _ = child.start_kill();
        }
    }
}

/// A new gateway that is ready and waits for the sockets to be released.
#[derive(Debug)]
pub struct Successor {
    pid: u32,
    socket: tokio::net::UnixDatagram,
}

impl Successor {
    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Makes the new gateway reload its settings: they may have changed since it read them.
    pub(crate) fn send_sighup(&self) {
        let process = rustix::process::Pid::from_raw(self.pid.cast_signed());
        let result =
            process.map(|it| rustix::process::kill_process(it, rustix::process::Signal::HUP));
        if let Some(Err(error)) = result {
            tracing::warn!(%error, "cannot send SIGHUP to the new gateway");
        }
    }

    /// Releases the sockets: from here on the new gateway accepts connections.
    pub(crate) fn start_accepting(self) {
        if let Err(error) = self.socket.try_send(RELEASED) {
            tracing::error!(%error, "cannot release the sockets to the new gateway");
        }
    }
}

/// The old gateway, which waits for this one to become ready.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixDatagram);

impl Predecessor {
    pub(crate) fn new(socket: UnixDatagram) -> Self {
        Self(socket)
    }

    /// Reports that this gateway is ready, and waits until the old one has released the sockets.
    ///
    /// # Errors
    /// When the old gateway no longer waits. It goes on serving then.
    pub(crate) async fn take_over(self) -> io::Result<()> {
        self.0.set_nonblocking(true)?;
        let socket = tokio::net::UnixDatagram::from_std(self.0)?;
        socket.send(READY).await?;
        tracing::info!("ready; the old gateway is to release the sockets");
        let mut message = [0; RELEASED.len()];
        match timeout(RELEASE_TIMEOUT, socket.recv(&mut message)).await {
            Ok(received) => received.map(drop),
            Err(_) => {
                tracing::warn!("the old gateway did not release the sockets; accepting anyway");
                Ok(())
            }
        }
    }
}
