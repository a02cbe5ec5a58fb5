//! The accept loop: the event loop of one listening socket. It accepts connections and keeps them
//! until their peer has sent its first bytes. Until then they cost some bytes each: no task, no
//! timer and no buffer, which in a storm of connections would be most of the memory of the process.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use slab::Slab;
use tricast_core::WarningLimit;

use crate::{
    accept::{acceptor::AcceptorControl, listen_socket::ListenSocket, permits::HandshakePermits},
    conn::{limits::ConnPermit, server::ConnServer, serving::AcceptedConn},
    peer::Peer,
};

/// Connections accepted in a row, before those that are ready are served.
const ACCEPT_BATCH: usize = 64;

/// Handshakes under way at once.
const MAX_HANDSHAKES: usize = 32;

/// Longest wait for a handshake permit. Afterwards a connection is served without one, because
/// others may keep theirs for long.
const PERMIT_TIMEOUT: Duration = Duration::from_millis(5);

/// A connection is evicted only after it has been silent for this long.
const MIN_SILENCE: Duration = Duration::from_secs(1);

/// Warnings that a lack of descriptors or memory repeats for each connection.
static CANNOT_ACCEPT: WarningLimit = WarningLimit::new();
static CANNOT_WATCH: WarningLimit = WarningLimit::new();

const LISTENER: Token = Token(usize::MAX);
const CONTROL: Token = Token(usize::MAX - 1);

/// The state of the accept thread of one listening socket.
pub(crate) struct AcceptLoop {
    poll: Poll,
    /// `None` once another process accepts.
    socket: Option<ListenSocket>,
    /// Whether other processes have the socket too, and accept what this loop leaves.
    shared: bool,
    control: Arc<AcceptorControl>,
    server: Arc<ConnServer>,
    pending: Slab<PendingConn>,
    /// Keys of `pending`, oldest first. Some may have gone since.
    oldest: VecDeque<(usize, Instant)>,
    handshake_permits: Arc<HandshakePermits>,
    /// Whether there may be more to accept.
    may_have_more: bool,
}

/// A connection whose peer has sent nothing yet.
struct PendingConn {
    stream: TcpStream,
    peer: Peer,
    permit: ConnPermit,
    since: Instant,
}

impl PendingConn {
    /// Whether there is nothing to read. After a stop of the process, a peer may have sent
    /// something long ago, and its event is still to come.
    fn is_silent(&self) -> bool {
        let peeked = self.stream.peek(&mut [0]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The state of the socket's backlog after a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backlog {
    Empty,
    MayHaveMore,
}

impl AcceptLoop {
    /// Creates the loop, and the waker that makes it look at `control`.
    ///
    /// # Errors
    /// When the system cannot provide an epoll instance.
    pub(crate) fn new(
        mut socket: ListenSocket,
        shared: bool,
        server: ConnServer,
        control: Arc<AcceptorControl>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        poll.registry().register(&mut socket, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), CONTROL)?;
        let accept_loop = Self {
            poll,
            socket: Some(socket),
            shared,
            control,
            server: Arc::new(server),
            pending: Slab::new(),
            oldest: VecDeque::new(),
            handshake_permits: HandshakePermits::new(MAX_HANDSHAKES),
            may_have_more: false,
        };
        Ok((accept_loop, waker))
    }

    /// Runs until `control` says to close.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let head_timeout = self.server.config.head_timeout;
        let sweep_interval = head_timeout / 8;
        let mut events = Events::with_capacity(ACCEPT_BATCH);
        let mut last_sweep = Instant::now();
        loop {
            // This thread may be late: whatever arrived before the deadline is still served.
            let draining = self
                .control
                .close_deadline
                .get()
                .is_some_and(|deadline| self.is_drained(*deadline));
            self.may_have_more |= draining && self.socket.is_some();
            let timeout =
                if draining { Some(Duration::ZERO) } else { self.timeout(sweep_interval) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let mut ready = Vec::new();
            for event in &events {
                match event.token() {
                    CONTROL if self.control.close_now.load(Ordering::Acquire) => return Ok(()),
                    CONTROL if self.control.close_deadline.get().is_some() && !self.shared => {
                        self.refuse_new_connections()
                    }
                    CONTROL => self.deregister_socket()?,
                    LISTENER => self.may_have_more = self.socket.is_some(),
                    Token(key) => ready.extend(self.pending.try_remove(key)),
                }
            }
            let any_ready = !ready.is_empty();
            self.serve_ready(ready)?;
            let before = self.pending.len();
            if self.may_have_more {
                self.may_have_more = self.accept() == Backlog::MayHaveMore;
            }
            if draining && !any_ready && self.pending.len() == before {
                return Ok(());
            }
            if last_sweep.elapsed() >= sweep_interval {
                last_sweep = Instant::now();
                self.pending
                    .retain(|_, conn| last_sweep - conn.since <= head_timeout || !conn.is_silent());
            }
        }
    }

    fn timeout(&self, sweep_interval: Duration) -> Option<Duration> {
        if self.may_have_more {
            return Some(Duration::ZERO);
        }
        let sweep_interval = (!self.pending.is_empty()).then_some(sweep_interval);
        let left = self
            .control
            .close_deadline
            .get()
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        sweep_interval.into_iter().chain(left).min()
    }

    /// Whether a loop that closes at `deadline` has no connection to wait for.
    fn is_drained(&self, deadline: Instant) -> bool {
        let idle = self.socket.is_none() && self.pending.is_empty();
        idle || Instant::now() >= deadline
    }

    fn refuse_new_connections(&mut self) {
        self.may_have_more = true;
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.drop_new_connections() {
            tracing::debug!(%error, "cannot drop new connections; the last ones may be cut");
        }
    }

    /// Removes the socket from the event loop. Its new owner has the same socket, so this thread
    /// would wake for every connection.
    fn deregister_socket(&mut self) -> io::Result<()> {
        self.may_have_more = false;
        match self.socket.take() {
            Some(mut socket) => self.poll.registry().deregister(&mut socket),
            None => Ok(()),
        }
    }

    /// Accepts a batch of connections.
    fn accept(&mut self) -> Backlog {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, WouldBlock,
        };
        for _ in 0..ACCEPT_BATCH {
            let Some(socket) = &self.socket else { return Backlog::Empty };
            match socket.accept() {
                Ok((stream, peer)) => self.register(stream, peer),
                Err(error) => match error.kind() {
                    WouldBlock => return Backlog::Empty,
                    // The error of one connection, which has gone.
                    ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted => {}
                    _ => {
                        // Out of descriptors or memory; connections that end free some.
                        if let Some(suppressed) = CANNOT_ACCEPT.pass() {
                            tracing::warn!(
                                %error,
                                suppressed,
                                "cannot accept connections; raise the limit of open files"
                            );
                        }
                        thread::sleep(Duration::from_millis(50));
                        return Backlog::MayHaveMore;
                    }
                },
            }
        }
        Backlog::MayHaveMore
    }

    fn register(&mut self, mut stream: TcpStream, peer: Peer) {
        self.evict_silent();
        let Some(permit) = self.server.accept(&stream, &peer) else { return };
        let since = Instant::now();
        let entry = self.pending.vacant_entry();
        let token = Token(entry.key());
        match self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            Ok(()) => {
                self.oldest.push_back((entry.key(), since));
                entry.insert(PendingConn { stream, peer, permit, since });
            }
            Err(error) => {
                if let Some(suppressed) = CANNOT_WATCH.pass() {
                    tracing::warn!(%error, suppressed, "cannot watch a connection; it is dropped");
                }
            }
        }
    }

    /// Evicts the longest silent connections while there is no room for another one: real clients
    /// send soon.
    fn evict_silent(&mut self) {
        while !self.server.has_capacity() {
            let Some(&(key, since)) = self.oldest.front() else { return };
            if since.elapsed() < MIN_SILENCE {
                return;
            }
            self.oldest.pop_front();
            let is_silent = |conn: &PendingConn| conn.since == since && conn.is_silent();
            if self.pending.get(key).is_some_and(is_silent) {
                self.pending.remove(key);
                self.server.meters.silent.increment(1);
            }
        }
        if self.oldest.len() > 2 * self.pending.len() + 64 {
            let pending = &self.pending;
            let still_pending = |(key, since): &(usize, Instant)| {
                pending.get(*key).is_some_and(|conn| conn.since == *since)
            };
            self.oldest.retain(still_pending);
        }
    }

    /// Serves connections that have sent something, or have closed. Their bytes are still unread.
    fn serve_ready(&mut self, ready: Vec<PendingConn>) -> io::Result<()> {
        let deadline = Instant::now() + PERMIT_TIMEOUT;
        for PendingConn { mut stream, peer, permit, .. } in ready {
            self.poll.registry().deregister(&mut stream)?;
            let handshake_permit =
                self.handshake_permits.acquire(deadline.saturating_duration_since(Instant::now()));
            let stream = stream.into();
            self.server.serve(AcceptedConn { stream, peer, permit, handshake_permit });
        }
        if self.pending.is_empty() {
            self.oldest = VecDeque::new();
            self.pending.shrink_to_fit();
        }
        Ok(())
    }
}
