//! The door of one listening socket, as whoever opens and closes it sees it. A thread stands behind it: `doorman.rs`.

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

/// How long whoever is on their way in when a door closes has, for the rest of a handshake and the first bytes of a request.
const CLOSE_GRACE: Duration = Duration::from_millis(100);

/// Shuts the door when it is dropped.
#[derive(Debug)]
pub struct Acceptor {
    waker: Waker,
    shared: bool,
    control: Arc<AcceptorControl>,
    thread: Option<JoinHandle<()>>,
}

/// What its thread is to do when it is woken; nothing else than to leave the socket to others, if neither is set.
#[derive(Debug, Default)]
pub(crate) struct AcceptorControl {
    /// Not before those who are on their way are in, but by then.
    pub(crate) close_deadline: OnceLock<Instant>,
    /// At once.
    pub(crate) close_now: AtomicBool,
}

impl Acceptor {
    /// Lets those who connect to `socket` in to `listener`, until it is closed. It is `shared` if somebody else keeps it open.
    ///
    /// # Errors
    /// When the system gives no thread or no epoll.
    pub fn open(socket: ListenSocket, shared: bool, server: ConnServer) -> io::Result<Self> {
        let control = Arc::<AcceptorControl>::default();
        let (accept_loop, waker) = AcceptLoop::new(socket, shared, server, control.clone())?;
        let thread = spawn_critical("door".to_owned(), move || accept_loop.run())?;
        Ok(Self { waker, shared, control, thread: Some(thread) })
    }

    /// Whether somebody else keeps its socket open.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// From here on somebody else accepts connections. Who is in already may still speak.
    pub fn stop_accepting(&self) {
        self.wake();
    }

    /// Closes doors, at `latest` then: nobody begins to connect any more, and who has done so already comes in and speaks. To be cut
    /// there, behind a request perhaps, is what proxies answer with 502.
    pub async fn close(mut acceptors: Vec<Self>, latest: Instant) {
        let deadline = latest.min(Instant::now() + CLOSE_GRACE);
        for acceptor in &acceptors {
            // Nobody else sets it.
            let _ = acceptor.control.close_deadline.set(deadline);
            acceptor.wake();
        }
        let ended = tokio::task::spawn_blocking(move || acceptors.iter_mut().for_each(Self::join));
        // A thread that panics takes the program with it.
        let _ = ended.await;
    }

    /// Has the thread look at its orders; whether it will.
    fn wake(&self) -> bool {
        let woken = self.waker.wake();
        if let Err(error) = &woken {
            tracing::error!(%error, "a door cannot be told what to do");
        }
        woken.is_ok()
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // One that panics takes the program with it.
            let _ = thread.join();
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.control.close_now.store(true, Ordering::Release);
        if self.wake() {
            self.join();
        }
    }
}
