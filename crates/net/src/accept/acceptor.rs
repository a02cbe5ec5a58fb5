//! The acceptor of one listening socket: it owns the thread that runs the accept loop.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mio::Waker;
use tricast_delivery::spawn_critical;

use crate::{
    accept::{accept_loop::AcceptLoop, listen_socket::ListenSocket},
    conn::server::ConnServer,
};

/// Time left for in-flight handshakes and first bytes once the acceptor is closing.
const CLOSE_GRACE: Duration = Duration::from_millis(100);

/// Accepts the connections of one socket until it is closed or dropped.
#[derive(Debug)]
pub struct Acceptor {
    waker: Waker,
    shared: bool,
    control: Arc<AcceptorControl>,
    thread: Option<JoinHandle<()>>,
}

/// Instructions to the accept loop, which reads them when it is woken. If none is set, it leaves
/// the socket to its other owners.
#[derive(Debug, Default)]
pub(crate) struct AcceptorControl {
    /// Close when connections under way are served, at the latest at this time.
    pub(crate) close_deadline: OnceLock<Instant>,
    /// Close at once.
    pub(crate) close_now: AtomicBool,
}

/// The result of waking the thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wake {
    Done,
    Failed,
}

impl Acceptor {
    /// Starts to accept connections of `socket`, which `server` serves. The socket is `shared` if
    /// another process keeps it open.
    ///
    /// # Errors
    /// When the system cannot provide a thread or an epoll instance.
    pub fn open(socket: ListenSocket, shared: bool, server: ConnServer) -> io::Result<Self> {
        let control = Arc::<AcceptorControl>::default();
        let (accept_loop, waker) = AcceptLoop::new(socket, shared, server, control.clone())?;
        let thread = spawn_critical("acceptor".to_owned(), move || accept_loop.run())?;
        Ok(Self { waker, shared, control, thread: Some(thread) })
    }

    /// Whether another process keeps the socket open.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Leaves new connections to the other owner of the socket. Those accepted before are still
    /// served.
    pub fn stop_accepting(&self) {
        self.wake();
    }

    /// Closes acceptors, at `latest` then. They take no new connections, but serve those under way:
    /// a proxy would answer with 502 if one were cut after its request.
    pub async fn close(mut acceptors: Vec<Self>, latest: Instant) {
        let deadline = latest.min(Instant::now() + CLOSE_GRACE);
        for acceptor in &acceptors {
            // Only this function sets it.
            let _ = acceptor.control.close_deadline.set(deadline);
            acceptor.wake();
        }
        let ended = tokio::task::spawn_blocking(move || acceptors.iter_mut().for_each(Self::join));
        // A critical thread that panics ends the program.
        let _ = ended.await;
    }

    /// Makes the thread look at its instructions.
    fn wake(&self) -> Wake {
        match self.waker.wake() {
            Ok(()) => Wake::Done,
            Err(error) => {
                tracing::error!(%error, "cannot wake the accept loop");
                Wake::Failed
            }
        }
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A critical thread that panics ends the program.
            let _ = thread.join();
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.control.close_now.store(true, Ordering::Release);
        // A thread that does not wake would never end.
        if self.wake() == Wake::Done {
            self.join();
        }
    }
}
