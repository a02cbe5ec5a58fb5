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
    http::forwarded::Peer,
    net::{
        accept::{acceptor::Orders, listen_socket::Listening, permits::Places},
        conn::serving::Arrival,
        conn_server::{Lease, Listener},
    },
};

/// Connections accepted, or let in, before the others have their turn.
const AT_ONCE: usize = 64;

/// Handshakes under way at a time.
const PLACES: usize = 32;

/// How long a crowd waits for a place. Then it comes in all the same: others may hold theirs for long.
const PLACE_PATIENCE: Duration = Duration::from_millis(5);

/// Nobody has to make room for others before it has been silent for so long.
const SILENCE: Duration = Duration::from_secs(1);

const LISTENER: Token = Token(usize::MAX);
const ORDER: Token = Token(usize::MAX - 1);

/// A door as its thread sees it.
pub(crate) struct Doorman {
    poll: Poll,
    /// `None` when somebody else accepts.
    socket: Option<Listening>,
    /// Others hold the socket too, and will accept whom this door does not.
    shared: bool,
    orders: Arc<Orders>,
    listener: Arc<Listener>,
    waiting: Slab<Waiting>,
    /// Those of `waiting`, longest first. Some may have gone since.
    longest: VecDeque<(usize, Instant)>,
    places: Arc<Places>,
    /// There may be more to accept.
    more: bool,
}

/// A connection whose peer has said nothing yet.
struct Waiting {
    stream: TcpStream,
    peer: Peer,
    lease: Lease,
    since: Instant,
}

impl Doorman {
    /// With what wakes it to its orders.
    ///
    /// # Errors
    /// When the system gives no epoll.
    pub(crate) fn new(
        mut socket: Listening,
        shared: bool,
        listener: Listener,
        orders: Arc<Orders>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        poll.registry().register(&mut socket, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), ORDER)?;
        let doorman = Self {
            poll,
            socket: Some(socket),
            shared,
            orders,
            listener: Arc::new(listener),
            waiting: Slab::new(),
            longest: VecDeque::new(),
            places: Places::new(PLACES),
            more: false,
        };
        Ok((doorman, waker))
    }

    /// Until its orders are to close.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let patience = self.listener.rules.head_timeout;
        let look = patience / 8;
        let mut events = Events::with_capacity(AT_ONCE);
        let mut looked = Instant::now();
        loop {
            // Late as this thread may be: what has come by then is still let in.
            let over = self.orders.closes_by.get().is_some_and(|by| self.is_done(*by));
            self.more |= over && self.socket.is_some();
            let timeout = if over { Some(Duration::ZERO) } else { self.timeout(look) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let mut heard = Vec::new();
            for event in &events {
                match event.token() {
                    ORDER if self.orders.shuts.load(Ordering::Acquire) => return Ok(()),
                    ORDER if self.orders.closes_by.get().is_some() && !self.shared => {
                        self.hold_off()
                    }
                    ORDER => self.leave()?,
                    LISTENER => self.more = self.socket.is_some(),
                    Token(key) => heard.extend(self.waiting.try_remove(key)),
                }
            }
            let somebody = !heard.is_empty();
            self.let_in(heard)?;
            let before = self.waiting.len();
            if self.more {
                self.more = self.accept();
            }
            if over && !somebody && self.waiting.len() == before {
                return Ok(());
            }
            if looked.elapsed() >= look {
                looked = Instant::now();
                self.waiting.retain(|_, waiting| looked - waiting.since <= patience);
            }
        }
    }

    fn timeout(&self, look: Duration) -> Option<Duration> {
        if self.more {
            return Some(Duration::ZERO);
        }
        let look = (!self.waiting.is_empty()).then_some(look);
        let left =
            self.orders.closes_by.get().map(|by| by.saturating_duration_since(Instant::now()));
        look.into_iter().chain(left).min()
    }

    /// Whether a door that closes `by` then has nobody to wait for.
    fn is_done(&self, by: Instant) -> bool {
        let nobody = self.socket.is_none() && self.waiting.is_empty();
        nobody || Instant::now() >= by
    }

    fn hold_off(&mut self) {
        self.more = true;
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.hold_off() {
            tracing::debug!(%error, "who comes at the last moment may be cut");
        }
    }

    /// Whoever takes over holds the same socket: unless it is taken out here, this thread wakes for each who comes.
    fn leave(&mut self) -> io::Result<()> {
        self.more = false;
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
        for _ in 0..AT_ONCE {
            let Some(socket) = &self.socket else { return false };
            match socket.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer),
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

    fn welcome(&mut self, mut stream: TcpStream, peer: Peer) {
        self.make_room();
        let Some(lease) = self.listener.admit(&stream, &peer) else { return };
        let since = Instant::now();
        let place = self.waiting.vacant_entry();
        let token = Token(place.key());
        match self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            Ok(()) => {
                self.longest.push_back((place.key(), since));
                place.insert(Waiting { stream, peer, lease, since });
            }
            Err(error) => tracing::warn!(%error, "cannot watch a connection, which is dropped"),
        }
    }

    /// When there is no room for one more, whoever has said nothing for longest makes it: who comes in earnest
    /// speaks soon.
    fn make_room(&mut self) {
        while !self.listener.has_room() {
            let Some(&(key, since)) = self.longest.front() else { return };
            if since.elapsed() < SILENCE {
                return;
            }
            self.longest.pop_front();
            if self.waiting.get(key).is_some_and(|waiting| waiting.since == since) {
                self.waiting.remove(key);
                self.listener.meters.pushed_out.increment(1);
            }
        }
        if self.longest.len() > 2 * self.waiting.len() + 64 {
            let waiting = &self.waiting;
            let waits = |(key, since): &(usize, Instant)| {
                waiting.get(*key).is_some_and(|waiting| waiting.since == *since)
            };
            self.longest.retain(waits);
        }
    }

    /// Has those served that have spoken, or gone: their bytes are where they were.
    fn let_in(&mut self, heard: Vec<Waiting>) -> io::Result<()> {
        let deadline = Instant::now() + PLACE_PATIENCE;
        for Waiting { mut stream, peer, lease, .. } in heard {
            self.poll.registry().deregister(&mut stream)?;
            let place = self.places.take(deadline.saturating_duration_since(Instant::now()));
            let stream = stream.into();
            self.listener.serve(Arrival { stream, peer, lease, place });
        }
        if self.waiting.is_empty() {
            self.longest = VecDeque::new();
            self.waiting.shrink_to_fit();
        }
        Ok(())
    }
}
