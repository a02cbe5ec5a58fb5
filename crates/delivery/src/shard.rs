//! A shard: one thread, the sockets that it owns, and its event loop.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::Events;
use tricast_core::{Batch, Hub, ReadLimit, ShardId};

use crate::{
    broadcast::{Broadcast, Broadcasts, Progress},
    conns::Conns,
    formats::Formats,
    inbox::{INBOX, Inbox, ShardEvent},
    io::ShardIo,
    send::{SendMode, Sender},
    shards::ShardConfig,
    subscribers::{Slot, Subscribers},
    timers::Timers,
    turns::Turns,
};

/// Time of a round for the inbox, so that a crowd of new connections does not delay messages.
const INBOX_BUDGET: Duration = Duration::from_micros(300);

/// Time of a round for connections that have something of their own to read or write.
const TURNS_BUDGET: Duration = Duration::from_micros(300);

/// Capacity that is kept once all events have been handled.
const INBOX_CAPACITY_KEPT: usize = 64;

/// The most that is joined into one send. A reader that takes only a part keeps the rest in memory.
const BATCH_LIMIT: ReadLimit = ReadLimit { messages: 256, bytes: 16 * 1024 };

pub(crate) struct Shard {
    pub(crate) hub: Arc<Hub>,
    pub(crate) config: ShardConfig,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) id: ShardId,
    pub(crate) io: ShardIo,
    pub(crate) conns: Conns,
    pub(crate) formats: Formats,
    pub(crate) subscribers: Subscribers,
    pub(crate) broadcasts: Broadcasts,
    pub(crate) turns: Turns,
    pub(crate) timers: Timers,
    /// The begin of this round.
    pub(crate) now: Instant,
    inbox_events: VecDeque<ShardEvent>,
    closing: bool,
}

impl Shard {
    pub(crate) fn new(
        hub: Arc<Hub>,
        config: ShardConfig,
        runtime: tokio::runtime::Handle,
    ) -> io::Result<Self> {
        let io = ShardIo::new()?;
        let id = hub.log().open_shard(io.waker.clone());
        Ok(Self {
            hub,
            config,
            runtime,
            id,
            io,
            conns: Conns::default(),
            formats: Formats::default(),
            subscribers: Subscribers::default(),
            broadcasts: Broadcasts::default(),
            turns: Turns::default(),
            timers: Timers::new(),
            now: Instant::now(),
            inbox_events: VecDeque::new(),
            closing: false,
        })
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.io.inbox
    }

    /// Runs the event loop until [`ShardEvent::Close`] arrives.
    pub(crate) fn run(mut self, send_mode: SendMode) -> io::Result<()> {
        self.io.inbox.set_owner_thread();
        let mut sender = send_mode.sender();
        let mut events = Events::with_capacity(256);
        while !self.closing {
            let timeout = match self.has_work() {
                true => Some(Duration::ZERO),
                false => self.timers.time_to_next(self.timers.millis(Instant::now())),
            };
            match self.io.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.round(&events, &mut *sender);
        }
        Ok(())
    }

    /// One round of the event loop: a bounded share of each kind of work, so that no crowd keeps
    /// another waiting.
    pub(crate) fn round(&mut self, events: &Events, sender: &mut dyn Sender) {
        self.now = Instant::now();
        for event in events.iter().filter(|event| event.token() != INBOX) {
            self.on_event(event);
        }
        self.process_inbox();
        self.run_turns();
        for broadcast in self.take_broadcasts() {
            self.continue_broadcast(broadcast, sender);
        }
        // One of those that did not end in their first slice: a huge channel does not keep small
        // ones waiting.
        if let Some(broadcast) = self.broadcasts.pending.pop_front() {
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
            && !self.io.inbox.is_woken())
    }

    fn process_inbox(&mut self) {
        self.io.inbox.take(&mut self.inbox_events);
        let begin = Instant::now();
        while let Some(event) = self.inbox_events.pop_front() {
            match event {
                ShardEvent::Handoff(handoff) => self.add_conn(*handoff),
                ShardEvent::ReaderWoken(index) => self.on_wake(index),
                ShardEvent::CommandDone { key, outcome } => self.on_command_done(key, outcome),
                ShardEvent::ReplyReady(key) => self.on_reply_ready(key),
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
            if let Some(key) = self.turns.pop() {
                self.run_turn(key);
            }
            if begin.elapsed() > TURNS_BUDGET {
                return;
            }
        }
    }

    fn continue_broadcast(&mut self, mut broadcast: Broadcast, sender: &mut dyn Sender) {
        match self.advance_broadcast(&mut broadcast, sender) {
            Progress::Done => self.broadcasts.done.push(broadcast.slot()),
            Progress::Pending => self.broadcasts.pending.push_back(broadcast),
        }
    }

    /// Takes the batches that are due from the log.
    ///
    /// A channel stays busy from the moment its batch is taken until the batch after that is taken:
    /// otherwise a reader of several channels could be sent a later message of another channel
    /// first.
    fn take_broadcasts(&mut self) -> Vec<Broadcast> {
        self.io.inbox.clear_woken();
        for slot in self.broadcasts.done.drain(..) {
            self.subscribers.mark_idle(slot);
        }
        let mut batches: Vec<Batch> = Vec::new();
        let subscribers = &self.subscribers;
        self.hub.log().take_batches(
            self.id,
            |slot| subscribers.is_busy(slot.into()),
            BATCH_LIMIT,
            &mut batches,
        );
        let mut broadcasts = Vec::with_capacity(batches.len());
        for batch in batches {
            let slot = Slot::from(batch.slot);
            if let Some(keys) = self.subscribers.get(slot) {
                broadcasts.push(Broadcast::new(batch, keys.len()));
                self.subscribers.mark_busy(slot);
            }
        }
        broadcasts
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.io.inbox.close();
        self.hub.log().close_shard(self.id);
    }
}
