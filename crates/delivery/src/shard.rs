//! A shard: one thread, its sockets, and the order in which it looks after them.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mio::{Events, Poll};
use slab::Slab;
use tricast_core::{Batch, Format, Hub, ReadLimit, ShardId, ShardWaker};

use crate::{
    broadcast::Broadcast,
    conn::Conn,
    inbox::{INBOX, Inbox, ShardEvent},
    send::{SendMode, Sender},
    shards::ShardConfig,
    subscribers::Subscribers,
    timers::Timers,
};

/// How long a round is for what was posted, so that a storm of newcomers does not keep anybody from its messages.
const INBOX_BUDGET: Duration = Duration::from_micros(300);

/// How long a round is for those that have something to say or hear of their own.
const TURNS_BUDGET: Duration = Duration::from_micros(300);

/// Room for notes that is kept when all of them are read.
const INBOX_CAPACITY_KEPT: usize = 64;

/// The most that is joined into one send. A reader that takes only part of it keeps the rest alive.
const BATCH_LIMIT: ReadLimit = ReadLimit { messages: 256, bytes: 16 * 1024 };

pub(crate) struct Shard {
    pub(crate) hub: Arc<Hub>,
    pub(crate) config: ShardConfig,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) id: ShardId,
    pub(crate) poll: Poll,
    pub(crate) inbox: Arc<Inbox>,
    /// The inbox as the log knows it.
    pub(crate) waker: Arc<dyn ShardWaker>,
    inbox_events: VecDeque<ShardEvent>,
    pub(crate) conns: Slab<Conn>,
    /// Connections that there have been.
    pub(crate) last_generation: u32,
    pub(crate) subscribers: Subscribers,
    /// Runs that are on their way to more readers than one slice has.
    broadcasts: VecDeque<Broadcast>,
    /// Channels whose run has been passed on to everybody.
    pub(crate) done_slots: Vec<usize>,
    /// Connections that have more to say or hear.
    pub(crate) turns: VecDeque<u32>,
    pub(crate) timers: Timers,
    /// The formats in use; connections name theirs by its place.
    pub(crate) formats: Vec<&'static dyn Format>,
    pub(crate) send_results: Vec<io::Result<usize>>,
    /// Scratch room.
    pub(crate) frames: Vec<Bytes>,
    pub(crate) buffer: Box<[u8]>,
    pub(crate) now: Instant,
    closing: bool,
}

impl Shard {
    pub(crate) fn new(
        hub: Arc<Hub>,
        config: ShardConfig,
        runtime: tokio::runtime::Handle,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let inbox = Inbox::new(poll.registry())?;
        let waker: Arc<dyn ShardWaker> = inbox.clone();
        let id = hub.log().open_shard(waker.clone());
        Ok(Self {
            hub,
            config,
            runtime,
            id,
            poll,
            inbox,
            waker,
            inbox_events: VecDeque::new(),
            conns: Slab::new(),
            last_generation: 0,
            subscribers: Subscribers::default(),
            broadcasts: VecDeque::new(),
            done_slots: Vec::new(),
            turns: VecDeque::new(),
            timers: Timers::new(),
            formats: Vec::new(),
            send_results: Vec::new(),
            frames: Vec::new(),
            buffer: vec![0; 16 * 1024].into(),
            now: Instant::now(),
            closing: false,
        })
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Looks after its connections until told to close.
    pub(crate) fn run(mut self, send_mode: SendMode) -> io::Result<()> {
        self.inbox.set_owner_thread();
        let mut sender = send_mode.sender();
        let mut events = Events::with_capacity(256);
        while !self.closing {
            let timeout = match self.has_work() {
                true => Some(Duration::ZERO),
                false => self.timers.time_to_next(self.timers.millis(Instant::now())),
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.round(&events, &mut *sender);
        }
        Ok(())
    }

    /// A little of everything, so that nobody waits for somebody else's crowd.
    pub(crate) fn round(&mut self, events: &Events, sender: &mut dyn Sender) {
        self.now = Instant::now();
        for event in events.iter().filter(|event| event.token() != INBOX) {
            let key = event.token().0 as u32;
            let closed = event.is_read_closed() || event.is_error();
            self.on_event(key, event.is_readable() || closed, closed);
        }
        self.process_inbox();
        self.run_turns();
        for broadcast in self.take_broadcasts() {
            self.continue_broadcast(broadcast, sender);
        }
        // One of those that were not done at once: a huge channel does not keep small ones waiting.
        if let Some(broadcast) = self.broadcasts.pop_front() {
            self.continue_broadcast(broadcast, sender);
        }
        let now = self.timers.millis(self.now);
        while let Some((millis, key)) = self.timers.pop(now) {
            self.on_timer(millis, key);
        }
    }

    fn has_work(&self) -> bool {
        !(self.inbox_events.is_empty()
            && self.turns.is_empty()
            && self.broadcasts.is_empty()
            && self.done_slots.is_empty()
            && !self.inbox.is_woken())
    }

    fn process_inbox(&mut self) {
        self.inbox.take(&mut self.inbox_events);
        let begin = Instant::now();
        while let Some(event) = self.inbox_events.pop_front() {
            match event {
                ShardEvent::Handoff(handoff) => self.add_conn(*handoff),
                ShardEvent::ReaderWoken(key) => self.on_wake(key),
                ShardEvent::CommandDone { key, generation, result } => {
                    self.on_command_done(key, generation, result)
                }
                ShardEvent::Close => self.closing = true,
            }
            if begin.elapsed() > INBOX_BUDGET {
                return;
            }
        }
        self.inbox_events.shrink_to(INBOX_CAPACITY_KEPT);
    }

    fn run_turns(&mut self) {
        let begin = Instant::now();
        for _ in 0..self.turns.len() {
            if let Some(key) = self.turns.pop_front() {
                self.run_turn(key);
            }
            if begin.elapsed() > TURNS_BUDGET {
                return;
            }
        }
    }

    /// Passes a run on to the next readers.
    fn continue_broadcast(&mut self, mut broadcast: Broadcast, sender: &mut dyn Sender) {
        match self.advance_broadcast(&mut broadcast, sender) {
            true => self.done_slots.push(broadcast.slot()),
            false => self.broadcasts.push_back(broadcast),
        }
    }

    /// A channel stays busy from when its run is taken until the news behind that run are taken: else a
    /// reader of several channels could be passed a younger message of another one first.
    fn take_broadcasts(&mut self) -> Vec<Broadcast> {
        self.inbox.clear_woken();
        for slot in self.done_slots.drain(..) {
            self.subscribers.set_busy(slot, false);
        }
        let mut batches: Vec<Batch> = Vec::new();
        let subscribers = &self.subscribers;
        self.hub.log().take_batches(
            self.id,
            |slot| subscribers.is_busy(slot),
            BATCH_LIMIT,
            &mut batches,
        );
        let mut broadcasts = Vec::with_capacity(batches.len());
        for batch in batches {
            let slot = batch.slot;
            if let Some(channel) = self.subscribers.get(slot) {
                broadcasts.push(Broadcast::new(batch, channel.keys.len()));
                self.subscribers.set_busy(slot, true);
            }
        }
        broadcasts
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.inbox.close();
        self.hub.log().close_shard(self.id);
    }
}
