//! Handover: a new gateway replaces a running one.
//!
//! The old process starts the new one with copies of the listening sockets, and the new one reports
//! when it is ready. The old one then stops accepting connections and messages, and reports that it
//! has released the sockets. Only now the new one accepts, so that no message goes to a log that
//! its readers have left. Connections that arrive in between wait in the sockets' queues. The new
//! one reports that it accepts, or else the old one ends with an error. Last, the old process sends
//! its clients a goodbye, and they reconnect to the new one.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

use crate::lifecycle::sockets::inherited::HANDOVER_SOCKET;

/// First inherited descriptor (`sd_listen_fds(3)`).
const FIRST_FD: i32 = 3;

/// Time for a new gateway to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Message of a new gateway that is ready.
const READY: &[u8] = b"READY=1";

/// Message of the old gateway when it has released the sockets.
const RELEASED: &[u8] = b"YOURS=1";

/// Message of the new gateway when it accepts connections.
const OPEN: &[u8] = b"OPEN=1";

/// How often a new gateway looks whether the old one is gone, or has closed the log.
const LOOK: Duration = Duration::from_millis(50);

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
    pub(crate) fn start_accepting(&self) {
        if let Err(error) = self.socket.try_send(RELEASED) {
            tracing::error!(%error, "cannot release the sockets to the new gateway");
        }
    }

    /// Waits until the new gateway accepts connections, for `patience` at most.
    ///
    /// # Errors
    /// When it has ended or hangs: nobody serves then.
    pub(crate) async fn expect_open(&self, patience: Duration) -> anyhow::Result<()> {
        let process = rustix::process::Pid::from_raw(self.pid.cast_signed());
        let runs = || process.is_some_and(|it| rustix::process::test_kill_process(it).is_ok());
        let end = Instant::now() + patience;
        let mut message = [0; OPEN.len()];
        loop {
            // Its word may have come before its end.
            let ends = !runs() || Instant::now() >= end;
            match timeout(LOOK, self.socket.recv(&mut message)).await {
                Ok(Ok(length)) if message[..length] == *OPEN => return Ok(()),
                Err(_) if !ends => {}
                _ => anyhow::bail!(
                    "the new gateway ({}) has taken over and does not accept connections; look at \
                     what it has logged, and start the gateway again",
                    self.pid
                ),
            }
        }
    }
}

/// Returns how long the old gateway may take to release the sockets, once the new one is ready.
fn drain_time(grace: Duration) -> Duration {
    grace + RELEASE_TIMEOUT
}

/// The old gateway, which waits for this one to become ready.
#[derive(Debug)]
pub(crate) struct Predecessor {
    socket: UnixDatagram,
    /// Its process, which has started this one.
    pid: Option<rustix::process::Pid>,
}

impl Predecessor {
    pub(crate) fn new(socket: UnixDatagram) -> Self {
        Self { socket, pid: rustix::process::getppid() }
    }

    /// Reports that this gateway is ready, and waits until the old one has released the sockets.
    /// Answers that are under way there may end within `grace`.
    ///
    /// # Errors
    /// When the old gateway no longer waits. It goes on serving then.
    pub(crate) async fn take_over(&self, grace: Duration) -> io::Result<()> {
        self.await_release(drain_time(grace)).await
    }

    /// Does the same, and waits until the old gateway has closed the log in `path`, or has ended:
    /// after twice `grace`, the time for its shutdown, it has. A disk may be slow.
    ///
    /// # Errors
    /// Those of [`take_over`](Self::take_over).
    pub(crate) async fn take_over_log(&self, path: &Path, grace: Duration) -> io::Result<()> {
        let end = Instant::now() + drain_time(grace) + 2 * grace;
        self.await_release(drain_time(grace) + grace).await?;
        // A log that is still locked then is not opened.
        while tricast_disk::is_locked(path) && Instant::now() < end {
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn await_release(&self, patience: Duration) -> io::Result<()> {
        let socket = self.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixDatagram::from_std(socket)?;
        socket.send(READY).await?;
        tracing::info!("ready; the old gateway is to release the sockets");
        let end = Instant::now() + patience;
        let mut message = [0; RELEASED.len()];
        loop {
            match timeout(LOOK, socket.recv(&mut message)).await {
                Ok(received) => return received.map(drop),
                Err(_) if rustix::process::getppid() != self.pid => {
                    tracing::warn!("the old gateway is gone; accepting without its word");
                    return Ok(());
                }
                Err(_) if Instant::now() >= end => {
                    tracing::warn!("the old gateway did not release the sockets; accepting anyway");
                    return Ok(());
                }
                Err(_) => {}
            }
        }
    }

    /// Reports that this gateway accepts connections.
    pub(crate) fn report_open(self) {
        // An old gateway that has ended needs no report.
        let _ = self.socket.send(OPEN);
    }
}
