//! The writer: one thread that writes what waits, makes it visible, and settles it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tricast_core::{Accepted, EngineError, Log, MessageId, Placed, Receipt, Seq, Tagger};

use crate::{
    AppendError, Store,
    engine::{
        config::{EngineConfig, Fsync},
        convert::record_of,
        meters::DiskMeters,
        pending::{Pending, Settled},
        sealer::Sealer,
        sequencer::{Sequencer, Work},
        upkeep::Upkeep,
    },
    planted,
    record::RecordView,
    room,
};

/// How often a full disk is looked at while nobody publishes what it has to take.
const LOOK: Duration = Duration::from_secs(1);

/// Writes messages in their order. While the disk is busy with some, the next ones gather.
pub(super) struct Writer {
    pub(super) log: Arc<Log>,
    pub(super) sequencer: Arc<Sequencer>,
    pub(super) store: Store,
    pub(super) tagger: Arc<dyn Tagger>,
    pub(super) sealer: Sealer,
    pub(super) config: EngineConfig,
    pub(super) meters: DiskMeters,
    /// Set after each write, for the thread that makes it durable.
    pub(super) is_dirty: Arc<AtomicBool>,
    /// The last seq of a record, or the head at the start.
    pub(super) last: Seq,
    /// When a full disk is looked at next.
    pub(super) look: Instant,
    /// When the segment that is written has been written for too long.
    pub(super) roll: Option<Instant>,
    pub(super) upkeep: Arc<Upkeep>,
}

/// Fails the log if the writer ends by a panic, so that no publisher waits for it.
struct Alarm(Arc<Sequencer>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why = "the writing thread of the log has stopped; this is a bug";
            self.0.fail(why, Vec::new());
            self.0.set_closed(&Err(EngineError::Unavailable(why.to_owned())));
        }
    }
}

impl Writer {
    /// Works until the end.
    pub(super) fn run(mut self) {
        let alarm = Alarm(self.sequencer.clone());
        loop {
            let look = self.sequencer.is_full().then_some(self.look);
            let until = look.into_iter().chain(self.roll).min();
            match self.sequencer.wait(until) {
                Work::Write(batch) => self.write(batch),
                Work::Tick => {}
                Work::Close => return self.close(),
                Work::Abandon => break,
            }
            // Also while messages come that need no room: nobody may send others to a log that is
            // not ready.
            if self.sequencer.is_full() && Instant::now() >= self.look {
                self.look = Instant::now() + LOOK;
                if room::has_room(&*self.store.shared.disk) {
                    self.sequencer.set_full(false);
                }
            }
            if self.roll.is_some_and(|at| at <= Instant::now()) {
                self.roll_by_age();
            }
        }
        let Self { sequencer, store, sealer, .. } = self;
        drop(sealer);
        drop(store);
        let ended = EngineError::Unavailable("it has ended".to_owned());
        sequencer.set_closed(&Err(ended));
        drop(alarm);
    }

    fn close(self) {
        let Self { log, sequencer, store, sealer, .. } = self;
        // It must not seal what the store seals now.
        drop(sealer);
        let presence = log.presence_checkpoint();
        if !presence.is_empty()
            && let Err(error) = store.keep_presence(&presence)
        {
            tracing::warn!(%error, "who is online is not kept for the next start");
        }
        let closed = store.close().map_err(|error| {
            tracing::error!(%error, "the log was not closed; the next start recovers it");
            EngineError::Unavailable(error.to_string())
        });
        sequencer.set_closed(&closed);
    }

    fn write(&mut self, mut batch: Vec<Pending>) {
        self.extend_erasures(&mut batch);
        if planted::AcknowledgedBeforeWrite.is_on() {
            let (views, _) = self.records_of(&batch);
            let records: Vec<_> = views.iter().map(|view| view.to_record()).collect();
            self.publish(batch);
            let _ = self.store.append(&records);
            return;
        }
        match self.append(&batch) {
            Err(error)
                if planted::FailureIgnored.is_on() && !matches!(error, AppendError::Full) =>
            {
                self.publish(batch);
            }
            Ok(()) => {
                if self.sequencer.is_full() && batch.iter().any(|one| one.is_logged) {
                    self.sequencer.set_full(false);
                }
                self.publish(batch);
                if planted::AcknowledgedBeforeSync.is_on() {
                    let _ = self.store.sync();
                }
            }
            Err(AppendError::Full) => {
                self.sequencer.set_full(true);
                self.look = Instant::now() + LOOK;
                let (logged, others): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|pending| pending.is_logged);
                self.sequencer.refuse(logged, &EngineError::Full);
                self.number(others);
            }
            Err(error) => self.sequencer.fail(&error.to_string(), batch),
        }
    }

    /// Lets erasures reach up to what comes before them in the order.
    fn extend_erasures(&self, batch: &mut [Pending]) {
        for n in 0..batch.len() {
            let Some(least) = batch[n].erases else { continue };
            let channel = &batch[n].stored.draft.channel;
            let is_message =
                |one: &&Pending| one.erases.is_none() && one.stored.draft.channel == *channel;
            let before = batch[..n].iter().rev().find(is_message).map_or(0, |one| one.stored.seq);
            batch[n].erases = Some(least.max(self.log.newest_known(channel)).max(before));
        }
    }

    /// Publishes messages that are not logged, and only need their seqs to be theirs for ever.
    fn number(&mut self, batch: Vec<Pending>) {
        let Some(last) = batch.last() else { return };
        match self.store.reserve(last.stored.seq) {
            Ok(()) => self.publish(batch),
            Err(AppendError::Full) => self.sequencer.refuse(batch, &EngineError::Full),
            Err(error) => self.sequencer.fail(&error.to_string(), batch),
        }
    }

    /// Appends a batch, and makes it as durable as it has to be before anybody sees it.
    fn append(&mut self, batch: &[Pending]) -> Result<(), AppendError> {
        if let Some(last) = batch.last()
            && !planted::UnloggedNotReserved.is_on()
        {
            self.store.reserve(last.stored.seq)?;
        }
        let (records, last) = self.records_of(batch);
        if records.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let base = self.store.open.base;
        match self.store.append_views(&records) {
            // What is too old or too much may make room.
            Err(AppendError::Full) if !planted::FullKeepsAll.is_on() && self.upkeep.run() => {
                self.store.append_views(&records)?;
            }
            appended => appended?,
        }
        self.last = last;
        if self.store.open.base != base {
            self.note_roll();
        }
        self.meters.appended(begun.elapsed());
        if self.config.fsync == Fsync::Always && !planted::AcknowledgedBeforeSync.is_on() {
            let begun = Instant::now();
            self.store.sync()?;
            self.meters.synced(begun.elapsed());
        } else {
            self.is_dirty.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The records of a batch, and the seq of the last of them.
    fn records_of<'p>(&self, batch: &'p [Pending]) -> (Vec<RecordView<'p>>, Seq) {
        let mut last = self.last;
        let logged = batch.iter().filter(|pending| pending.is_logged);
        let records = logged.map(|pending| {
            let seq = pending.stored.seq;
            // Whatever had these seqs was not logged, or was refused.
            let skipped = seq - last - 1;
            last = seq;
            let erases = pending.erases;
            let record = record_of(&pending.stored, skipped, pending.tag, &self.tagger);
            RecordView { erases, ..record }
        });
        (records.collect(), last)
    }

    /// Makes a batch visible, and settles it.
    fn publish(&self, mut batch: Vec<Pending>) {
        while let Some(n) = batch.iter().position(|one| one.erases.is_some()) {
            let rest = batch.split_off(n + 1);
            let erasure = batch.pop();
            self.publish_messages(batch);
            erasure.into_iter().for_each(|erasure| self.erase(erasure));
            batch = rest;
        }
        self.publish_messages(batch);
    }

    /// Makes an erasure visible, and settles it.
    fn erase(&self, Pending { stored, erases, settlement, .. }: Pending) {
        self.log.erase(&stored.draft.channel, erases.unwrap_or_default());
        self.log.advance(stored.seq);
        let id = MessageId { epoch: self.log.epoch(), seq: stored.seq };
        settlement.settle(Ok(Receipt { id, subscribers: 0, duplicate: false }));
    }

    fn publish_messages(&self, batch: Vec<Pending>) {
        let epoch = self.log.epoch();
        let (mut placed, mut settled) = (Vec::new(), Vec::new());
        for Pending { stored, reservation, settlement, tag, .. } in batch {
            let id = MessageId { epoch, seq: stored.seq };
            let receipt = Receipt { id, subscribers: 0, duplicate: false };
            settled.push(Settled { settlement, tag, time: stored.time, result: Ok(receipt) });
            placed.push(Placed { stored, reservation });
        }
        let accepted = self.log.accept_all(placed);
        for (settled, accepted) in settled.iter_mut().zip(&accepted) {
            if let Ok(receipt) = &mut settled.result {
                receipt.subscribers = accepted.subscribers;
            }
        }
        self.sequencer.settle(settled);
        Accepted::announce_all(accepted);
    }

    /// Ends a segment that has been written for long, or a quiet log would keep its oldest message
    /// for ever.
    fn roll_by_age(&mut self) {
        match self.store.roll() {
            Ok(()) => self.note_roll(),
            // What is let go makes room.
            Err(AppendError::Full) => self.roll = Some(Instant::now() + LOOK),
            Err(error) => self.sequencer.fail(&error.to_string(), Vec::new()),
        }
    }

    /// Seals what is full, and lets go of what is too much then.
    fn note_roll(&mut self) {
        self.roll = self.config.roll_at();
        self.store.seal_jobs().into_iter().for_each(|job| self.sealer.seal(job));
    }
}
