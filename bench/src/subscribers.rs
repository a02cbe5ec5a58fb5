//! Thousands of subscribers in one thread. They know their messages again and keep nothing.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::marker::{Clock, Marker, Scanner};

/// What a subscriber sends, and when.
#[derive(Clone, Debug)]
pub(crate) struct SubscribeRequest {
    /// The request's head.
    pub(crate) head: String,
    /// Text frames to send behind a WebSocket handshake.
    pub(crate) frames: Vec<String>,
}

pub(crate) struct Subscribers {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    subscribers: Vec<Option<Subscriber>>,
    buffer: Vec<u8>,
    clock: Clock,
    pub(crate) tally: Tally,
}

struct Subscriber {
    socket: TcpStream,
    /// What is still to be sent; the second part after the answer's head.
    unsent: Vec<u8>,
    after_head: Vec<u8>,
    head: Option<Vec<u8>>,
    scanner: Scanner,
    last: u64,
}

/// What has come.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    /// Bytes behind the heads.
    pub(crate) bytes: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    /// Connections that ended by themselves, or were refused.
    pub(crate) lost: u64,
    /// What the first of those met.
    pub(crate) first_error: Option<io::Error>,
    /// Microseconds from publishing to reading.
    pub(crate) latency: Histogram<u64>,
}

impl Tally {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
        Self {
            delivered: 0,
            bytes: 0,
            duplicates: 0,
            out_of_order: 0,
            lost: 0,
            first_error: None,
            latency,
        }
    }
}

impl Subscribers {
    pub(crate) fn new(address: SocketAddr, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            subscribers: Vec::new(),
            buffer: vec![0; 1 << 16],
            clock,
            tally: Tally::new(),
        })
    }

    /// Opens so many more connections, at most `at_once` at a time; returns the time until each has
    /// its head.
    pub(crate) fn connect(
        &mut self,
        subscribe: &SubscribeRequest,
        count: usize,
        at_once: usize,
        mut progress: impl FnMut(usize),
    ) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let (from, lost) = (self.subscribers.len(), self.tally.lost);
        let mut opened = 0;
        loop {
            let refused = (self.tally.lost - lost) as usize;
            let ready = self.subscribers[from..].iter().flatten().filter(|s| s.head.is_none());
            let done = ready.count() + refused;
            progress(done);
            if done == count {
                return Ok(begin.elapsed());
            }
            while opened < count && opened - done < at_once {
                self.open(subscribe)?;
                opened += 1;
            }
            anyhow::ensure!(
                begin.elapsed() < Duration::from_secs(60),
                "{} of {count} subscribers have no answer after a minute",
                count - done
            );
            self.read_for(Duration::from_millis(20))?;
        }
    }

    fn open(&mut self, subscribe: &SubscribeRequest) -> anyhow::Result<()> {
        let mut socket = TcpStream::connect(self.address).context("no socket for a subscriber")?;
        let token = Token(self.subscribers.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, token, both)?;
        self.subscribers.push(Some(Subscriber {
            socket,
            unsent: subscribe.head.clone().into_bytes(),
            after_head: subscribe.frames.iter().flat_map(|text| masked(text)).collect(),
            head: Some(Vec::new()),
            scanner: Scanner::default(),
            last: 0,
        }));
        Ok(())
    }

    /// How many are connected.
    pub(crate) fn count(&self) -> usize {
        self.subscribers.iter().flatten().count()
    }

    /// Every second one hangs up.
    pub(crate) fn drop_every_other(&mut self) {
        self.subscribers.iter_mut().step_by(2).for_each(|subscriber| *subscriber = None);
    }

    /// Reads until nothing has come for a while, and forgets what came.
    pub(crate) fn read_until_quiet(&mut self) -> anyhow::Result<()> {
        while self.read_for(Duration::from_millis(300))? {}
        self.reset_tally();
        Ok(())
    }

    /// Starts the counts from zero; connections that were lost stay lost.
    pub(crate) fn reset_tally(&mut self) {
        let Tally { lost, first_error, .. } = std::mem::replace(&mut self.tally, Tally::new());
        self.tally = Tally { lost, first_error, ..Tally::new() };
        self.subscribers.iter_mut().flatten().for_each(|subscriber| subscriber.last = 0);
    }

    /// Reads what comes within `time`; whether anything did.
    pub(crate) fn read_for(&mut self, time: Duration) -> anyhow::Result<bool> {
        self.poll.poll(&mut self.events, Some(time))?;
        for event in &self.events {
            let slot = &mut self.subscribers[event.token().0];
            let Some(subscriber) = slot else { continue };
            let tally = &mut self.tally;
            let clock = self.clock;
            if let Err(error) = subscriber.on_event(&mut self.buffer, clock, tally) {
                tally.lost += 1;
                tally.first_error.get_or_insert(error);
                *slot = None;
            }
        }
        Ok(!self.events.is_empty())
    }
}

impl Subscriber {
    fn on_event(&mut self, buffer: &mut [u8], clock: Clock, tally: &mut Tally) -> io::Result<()> {
        self.send()?;
        loop {
            let count = match self.socket.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error),
            };
            let bytes = &buffer[..count];
            if let Some(head) = &mut self.head {
                head.extend_from_slice(bytes);
                if let Some(end) = memchr::memmem::find(head, b"\r\n\r\n") {
                    let good =
                        head.starts_with(b"HTTP/1.1 200") || head.starts_with(b"HTTP/1.1 101");
                    if !good {
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                    let rest = head.split_off(end + 4);
                    self.head = None;
                    self.unsent = std::mem::take(&mut self.after_head);
                    self.send()?;
                    self.scan(&rest, clock, tally);
                }
            } else {
                self.scan(bytes, clock, tally);
            }
            // Less than there was room for: there is no more.
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        match self.socket.write(&self.unsent) {
            Ok(count) => {
                self.unsent.drain(..count);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn scan(&mut self, bytes: &[u8], clock: Clock, tally: &mut Tally) {
        let last = &mut self.last;
        tally.bytes += bytes.len() as u64;
        self.scanner.scan(bytes, |Marker { number, published }| match number.cmp(last) {
            std::cmp::Ordering::Less => tally.out_of_order += 1,
            std::cmp::Ordering::Equal => tally.duplicates += 1,
            std::cmp::Ordering::Greater => {
                tally.delivered += 1;
                *last = number;
                let micros = clock.now().saturating_sub(published).as_micros();
                tally.latency.saturating_record(micros as u64);
            }
        });
    }
}

/// A text frame as a client sends it (RFC 6455 §5.2); the mask is all zeros, which masks nothing.
pub(crate) fn masked(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}
