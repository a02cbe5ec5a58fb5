//! The thread behind a door: it accepts connections and keeps them until their peer has said
//! something. There they cost some bytes each: no task, no timer and no buffer, which in a storm of
//! connections would be most of what the process ever needs.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use slab::Slab;

use crate::{
    accept::{acceptor::AcceptorControl, listen_socket::ListenSocket, permits::HandshakePermits},
    conn::{limits::ConnPermit, server::ConnServer, serving::AcceptedConn},
    peer::Peer,
};

/// Connections accepted, or let in, before the others have their turn.
const ACCEPT_BATCH: usize = 64;

/// Handshakes under way at a time.
const MAX_HANDSHAKES: usize = 32;

/// How long a crowd waits for a place. Then it comes in all the same: others may hold theirs for long.
const PERMIT_TIMEOUT: Duration = Duration::from_millis(5);

/// Nobody has to make room for others before it has been silent for so long.
const MIN_SILENCE: Duration = Duration::from_secs(1);

const LISTENER: Token = Token(usize::MAX);
const CONTROL: Token = Token(usize::MAX - 1);

/// A door as its thread sees it.
pub(crate) struct AcceptLoop {
    poll: Poll,
    /// `None` when somebody else accepts.
    socket: Option<ListenSocket>,
    /// Others hold the socket too, and will accept whom this door does not.
    shared: bool,
    control: Arc<AcceptorControl>,
    server: Arc<ConnServer>,
    pending: Slab<PendingConn>,
    /// Those of `waiting`, longest first. Some may have gone since.
    oldest: VecDeque<(usize, Instant)>,
    handshake_permits: Arc<HandshakePermits>,
    /// There may be more to accept.
    may_have_more: bool,
}

/// A connection whose peer has said nothing yet.
struct PendingConn {
    stream: TcpStream,
    peer: Peer,
    permit: ConnPermit,
    since: Instant,
}

impl AcceptLoop {
    /// With what wakes it to its orders.
    ///
    /// # Errors
    /// When the system gives no epoll.
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

    /// Until its orders are to close.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let head_timeout = self.server.config.head_timeout;
        let sweep_interval = head_timeout / 8;
        let mut events = Events::with_capacity(ACCEPT_BATCH);
        let mut last_sweep = Instant::now();
        loop {
            // Late as this thread may be: what has come by then is still let in.
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
                self.may_have_more = self.accept();
            }
            if draining && !any_ready && self.pending.len() == before {
                return Ok(());
            }
            if last_sweep.elapsed() >= sweep_interval {
                last_sweep = Instant::now();
                self.pending.retain(|_, conn| last_sweep - conn.since <= head_timeout);
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

    /// Whether a door that closes `by` then has nobody to wait for.
    fn is_drained(&self, deadline: Instant) -> bool {
        let idle = self.socket.is_none() && self.pending.is_empty();
        idle || Instant::now() >= deadline
    }

    fn refuse_new_connections(&mut self) {
        self.may_have_more = true;
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.drop_new_connections() {
            tracing::debug!(%error, "who comes at the last moment may be cut");
        }
    }

    /// Whoever takes over holds the same socket: unless it is taken out here, this thread wakes for each who comes.
    fn deregister_socket(&mut self) -> io::Result<()> {
        self.may_have_more = false;
        match self.socket.take() {
            Some(mut socket) => self.poll.registry().deregister(&mut socket),
            None => Ok(()),
        }
    }

    /// Accepts what there is; whether there may be more.
    fn accept(&mut self) -> bool {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, WouldBlock,
        };
        for _ in 0..ACCEPT_BATCH {
            let Some(socket) = &self.socket else { return false };
            match socket.accept() {
                Ok((stream, peer)) => self.register(stream, peer),
                Err(error) => match error.kind() {
                    WouldBlock => return false,
                    // Of one connection, which has gone.
                    ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted => {}
                    _ => {
                        // Out of descriptors or memory: it passes when connections end.
                        tracing::warn!(%error, "cannot accept connections");
                        thread::sleep(Duration::from_millis(50));
                        return true;
                    }
                },
            }
        }
        true
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
            Err(error) => tracing::warn!(%error, "cannot watch a connection, which is dropped"),
        }
    }

    /// When there is no room for one more, whoever has said nothing for longest makes it: who comes in earnest
    /// speaks soon.
    fn evict_silent(&mut self) {
        while !self.server.has_capacity() {
            let Some(&(key, since)) = self.oldest.front() else { return };
            if since.elapsed() < MIN_SILENCE {
                return;
            }
            self.oldest.pop_front();
            if self.pending.get(key).is_some_and(|conn| conn.since == since) {
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

    /// Has those served that have spoken, or gone: their bytes are where they were.
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
