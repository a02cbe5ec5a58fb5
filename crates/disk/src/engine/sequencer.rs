//! The sequencer: gives messages their place in the order, and refuses what must not get one.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;
use tricast_core::{
    ChannelName, Data, Draft, EngineError, Health, IdempotencyKey, Log, MessageId, Receipt, Seq,
    Stored, Tag, Ticket, unix_millis,
};

use crate::{
    engine::{
        health::Condition,
        pending::{Pending, Settled},
        receipts::Receipts,
        tags::LogTagger,
    },
    planted,
};

/// The most bytes of messages that are written at once, and made visible under one lock.
const BATCH_BYTES: usize = 4 << 20;
/// The most messages of the same.
const BATCH_MESSAGES: usize = 1024;
/// The largest data of a record.
const LARGEST: usize = 1 << 29;

/// What the writer is to do.
pub(super) enum Work {
    Write(Vec<Pending>),
    /// Nothing came until the time that it said.
    Tick,
    /// All is written: end the log.
    Close,
    /// End as a process that dies.
    Abandon,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Close,
    Abandon,
}

/// Puts messages into one order, under one short lock.
pub(super) struct Sequencer {
    log: Arc<Log>,
    tagger: LogTagger,
    /// The most bytes that wait.
    limit: usize,
    state: Mutex<State>,
    /// Notified when there is work for the writer, and at the end.
    work: Condvar,
    /// Notified at the end.
    ended: Condvar,
    /// Notified when the writer has ended.
    closed: Condvar,
}

struct State {
    last: Seq,
    /// The time of the last message; that of the next one is no less.
    time: u64,
    queue: VecDeque<Pending>,
    bytes: usize,
    receipts: Receipts,
    condition: Condition,
    /// Since when the writer has been busy with what it has taken last.
    busy: Option<Instant>,
    end: Option<End>,
    closing: Vec<oneshot::Sender<Result<(), EngineError>>>,
    closed: Option<Result<(), EngineError>>,
}

impl Sequencer {
    /// Begins after the seq `last`, at `time` or later.
    pub(super) fn new(
        log: Arc<Log>,
        tagger: LogTagger,
        receipts: Receipts,
        limit: usize,
        (last, time): (Seq, u64),
    ) -> Self {
        let (queue, closing) = Default::default();
        let condition = Condition::Live;
        let (bytes, busy, end, closed) = Default::default();
        let state =
            State { last, time, queue, bytes, receipts, condition, busy, end, closing, closed };
        let (work, ended, closed) = Default::default();
        Self { log, tagger, limit, state: Mutex::new(state), work, ended, closed }
    }

    /// Puts a message into the order.
    pub(super) fn append(&self, draft: Draft) -> Ticket {
        // What takes time is done before the lock is taken.
        let tag = IdempotencyKey::of(&draft).map(|key| self.tagger.idempotency(&key));
        let is_logged = self.log.rules_for(&draft.channel).log;
        self.place(draft, tag, is_logged).unwrap_or_else(|error| Ticket::settled(Err(error)))
    }

    fn place(
        &self,
        draft: Draft,
        tag: Option<Tag>,
        is_logged: bool,
    ) -> Result<Ticket, EngineError> {
        if draft.data.as_bytes().len() > LARGEST {
            return Err(EngineError::TooLarge);
        }
        let mut state = self.state.lock();
        if state.end.is_some() {
            return Err(EngineError::Unavailable("it is being closed".to_owned()));
        }
        let time = unix_millis().max(state.time);
        if let Some(repeat) = tag.and_then(|tag| state.receipts.repeat(&tag, time)) {
            if planted::RepeatAhead.is_on() {
                let id = MessageId { epoch: self.log.epoch(), seq: state.last };
                return Ok(Ticket::settled(Ok(Receipt { id, subscribers: 0, duplicate: true })));
            }
            return Ok(repeat);
        }
        state.condition.admit(is_logged, Instant::now())?;
        if state.bytes >= self.limit {
            let why = "the disk is slower than messages come";
            return Err(EngineError::Unavailable(why.to_owned()));
        }
        let reservation = self.log.reserve(&draft)?;
        let (settlement, ticket) = Ticket::open();
        let online = reservation.online;
        if let Some(tag) = tag {
            state.receipts.begin(tag);
        }
        let stored = Stored { seq: state.next(time), time, online, draft };
        let (reservation, erases) = (Some(reservation), None);
        self.push(state, Pending { stored, reservation, erases, settlement, tag, is_logged });
        Ok(ticket)
    }

    /// Puts the erasure of a channel's messages into the order: up to `least`, which are those that
    /// only the disk has, and those that come before it in the order.
    pub(super) fn erase(&self, channel: ChannelName, least: Seq) -> Result<Ticket, EngineError> {
        let is_logged = self.log.rules_for(&channel).log;
        let mut state = self.state.lock();
        if state.end.is_some() {
            return Err(EngineError::Unavailable("it is being closed".to_owned()));
        }
        state.condition.admit(is_logged, Instant::now())?;
        let (settlement, ticket) = Ticket::open();
        let draft = Draft::new(channel, Data::Bytes(Bytes::new()));
        let time = unix_millis().max(state.time);
        let stored = Stored { seq: state.next(time), time, online: None, draft };
        let (reservation, erases, tag) = (None, Some(least), None);
        self.push(state, Pending { stored, reservation, erases, settlement, tag, is_logged });
        Ok(ticket)
    }

    fn push(&self, mut state: MutexGuard<'_, State>, pending: Pending) {
        state.bytes += pending.size();
        match planted::OrderLost.is_on() {
            true => state.queue.push_front(pending),
            false => state.queue.push_back(pending),
        }
        let is_first = state.queue.len() == 1;
        drop(state);
        if is_first {
            self.work.notify_one();
        }
    }

    /// Waits for work, for the writer, until `until` if there is such a time.
    pub(super) fn wait(&self, until: Option<Instant>) -> Work {
        let mut state = self.state.lock();
        state.busy = None;
        loop {
            match state.end {
                Some(End::Abandon) => return Work::Abandon,
                Some(End::Close) if planted::EndBeforeQueue.is_on() => return Work::Close,
                _ if !state.queue.is_empty() => {
                    state.busy = Some(Instant::now());
                    return Work::Write(state.take_batch());
                }
                Some(End::Close) => return Work::Close,
                None => {}
            }
            let Some(until) = until else {
                self.work.wait(&mut state);
                continue;
            };
            if self.work.wait_until(&mut state, until).timed_out() && state.queue.is_empty() {
                return Work::Tick;
            }
        }
    }

    /// Waits for `time`, unless the end comes before; true at the end.
    pub(super) fn wait_for_end(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state.lock();
        while state.end.is_none() {
            if self.ended.wait_until(&mut state, until).timed_out() {
                return state.end.is_some();
            }
        }
        true
    }

    /// Settles messages that were taken, and those that repeat them.
    pub(super) fn settle(&self, settled: Vec<Settled>) {
        let mut repeats = Vec::new();
        if settled.iter().any(|one| one.tag.is_some()) {
            let mut state = self.state.lock();
            for Settled { tag, time, result, .. } in &settled {
                let Some(tag) = tag else { continue };
                let of = state.receipts.end(*tag, result, *time);
                repeats.extend(of.into_iter().map(|repeat| (repeat, result.clone())));
            }
        }
        for Settled { settlement, result, .. } in settled {
            settlement.settle(result);
        }
        for (settlement, result) in repeats {
            settlement.settle(result.map(|first| Receipt { duplicate: true, ..first }));
        }
    }

    /// Settles messages as failed.
    pub(super) fn refuse(&self, refused: Vec<Pending>, error: &EngineError) {
        let settle = |pending: Pending| {
            let Pending { stored, settlement, tag, .. } = pending;
            Settled { settlement, tag, time: stored.time, result: Err(error.clone()) }
        };
        self.settle(refused.into_iter().map(settle).collect());
    }

    /// Notes that the disk is full, or that it has room again.
    pub(super) fn set_full(&self, full: bool) {
        let mut state = self.state.lock();
        let changed = state.condition.set_full(full, Instant::now());
        drop(state);
        match (changed, full) {
            (true, true) => tracing::warn!(
                "the disk of the log is full: publishes are refused until there is room; make \
                 room, or lower log.bytes"
            ),
            (true, false) => tracing::info!("the disk of the log has room again"),
            (false, _) => {}
        }
    }

    /// Whether the disk was full the last time.
    pub(super) fn is_full(&self) -> bool {
        self.state.lock().condition.is_full()
    }

    /// Ends the log for writing, for ever, and settles what is in flight: `taken` and all that
    /// waits.
    pub(super) fn fail(&self, why: &str, taken: Vec<Pending>) {
        let mut state = self.state.lock();
        let is_first = state.condition.fail(why);
        let waiting = state.take_all();
        drop(state);
        if is_first {
            tracing::error!("{why}");
        }
        let in_flight = taken.into_iter().chain(waiting).collect();
        self.refuse(in_flight, &EngineError::Unknown(why.to_owned()));
    }

    pub(super) fn health(&self) -> Health {
        let state = self.state.lock();
        state.condition.health(state.queue.len() as u64, state.busy, Instant::now())
    }

    /// The bytes of messages that wait to be written.
    pub(super) fn queued(&self) -> usize {
        self.state.lock().bytes
    }

    /// Refuses all messages that come later, and lets the writer end the log once what is there is
    /// written. Returns what will tell that it has ended, or how it has.
    pub(super) fn close(
        &self,
    ) -> Result<oneshot::Receiver<Result<(), EngineError>>, Result<(), EngineError>> {
        let mut state = self.state.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.clone());
        }
        let (sender, receiver) = oneshot::channel();
        state.closing.push(sender);
        self.end(state, End::Close);
        Ok(receiver)
    }

    /// Ends as a process that dies.
    pub(super) fn abandon(&self) {
        self.end(self.state.lock(), End::Abandon);
    }

    fn end(&self, mut state: MutexGuard<'_, State>, end: End) {
        state.end.get_or_insert(end);
        drop(state);
        self.work.notify_one();
        self.ended.notify_all();
    }

    /// Waits until the writer has ended, for `time` at most; false if it has not.
    pub(super) fn wait_closed(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state.lock();
        while state.closed.is_none() {
            if self.closed.wait_until(&mut state, until).timed_out() {
                return state.closed.is_some();
            }
        }
        true
    }

    /// Notes that the writer has ended, and how. Nothing is left in the queue.
    pub(super) fn set_closed(&self, result: &Result<(), EngineError>) {
        let mut state = self.state.lock();
        state.end.get_or_insert(End::Abandon);
        state.closed = Some(result.clone());
        let closing = std::mem::take(&mut state.closing);
        let (waiting, repeats) = (state.take_all(), state.receipts.end_all());
        drop(state);
        // The drop of what waits settles it, and so that of what repeats it.
        drop((waiting, repeats));
        self.closed.notify_all();
        closing.into_iter().for_each(|one| drop(one.send(result.clone())));
    }
}

impl State {
    /// Gives the next seq, to a message of this time.
    fn next(&mut self, time: u64) -> Seq {
        self.time = time;
        self.last += 1;
        self.last
    }

    fn take_batch(&mut self) -> Vec<Pending> {
        let mut bytes = 0;
        let fits = |pending: &&Pending| {
            bytes += pending.size();
            bytes <= BATCH_BYTES
        };
        let count = self.queue.iter().take(BATCH_MESSAGES).take_while(fits).count().max(1);
        let batch: Vec<Pending> = self.queue.drain(..count).collect();
        self.bytes -= batch.iter().map(Pending::size).sum::<usize>();
        batch
    }

    fn take_all(&mut self) -> Vec<Pending> {
        self.bytes = 0;
        self.queue.drain(..).collect()
    }
}
