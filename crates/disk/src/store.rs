//! The writing end of a log: one thread has it.

use std::{io, sync::Arc};

use tricast_core::Seq;

use crate::{
    config::Config,
    contents::Contents,
    disk::{Lock, is_full},
    error::{AppendError, Failed},
    head::Head,
    ledger::Ledger,
    meta::Meta,
    planted,
    reader::Reader,
    record::{Record, RecordView},
    retention::{Keeper, LetGo, Retention, RetentionClock},
    seal::{SealJob, seal},
    segment::{LOG, Segment, name_of},
    shared::Shared,
    sync::Syncer,
};

/// A log that is open for writing.
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Config,
    pub(crate) ledger: Arc<Ledger>,
    /// Where this life began, and from where on nothing before that is lost.
    begin: Seq,
    explained: Seq,
    /// Seqs up to this one may be given.
    reserved: Seq,
    /// The segment that is written.
    pub(crate) open: Arc<Segment>,
    /// Where the next record goes.
    pub(crate) at: u64,
    /// The last seq of a record.
    pub(crate) last: Seq,
    /// The highest seq that was given to any message.
    pub(crate) head: Seq,
    keeper: Arc<Keeper>,
    buffer: Vec<u8>,
    _lock: Lock,
}

impl Store {
    pub(crate) fn new(
        shared: Arc<Shared>,
        config: Config,
        meta: Meta,
        open: Arc<Segment>,
        lock: Lock,
    ) -> Self {
        let Meta { begin, explained, reserved, retained_at, held, .. } = meta;
        let head = begin - 1;
        let newest = shared.segments().iter().map(|segment| segment.summary().newest).max();
        let now = retained_at.max(newest.unwrap_or(0));
        let ledger = Arc::new(Ledger::new(shared.clone(), meta));
        let clock = RetentionClock { now, held };
        let keeper = Keeper::new(shared.clone(), ledger.clone(), config.ballast, clock);
        Self {
            shared,
            config,
            ledger,
            begin,
            explained,
            reserved,
            open,
            at: 0,
            last: head,
            head,
            keeper: Arc::new(keeper),
            buffer: vec![],
            _lock: lock,
        }
    }

    /// Appends records with one write. Their seqs grow, from record to record and from call to
    /// call; `skipped` of each says how many seqs before it were given to unlogged messages.
    ///
    /// Readers see the records when this returns; they are durable after the next sync.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        self.append_views(&records.iter().map(Record::view).collect::<Vec<_>>())
    }

    /// The same for records that the caller need not make.
    pub(crate) fn append_views(&mut self, records: &[RecordView<'_>]) -> Result<(), AppendError> {
        Failed::check(&self.shared)?;
        let Some(last) = self.last_of(records)? else { return Ok(()) };
        self.reserve(last)?;
        let mut spans = self.encode(records, self.open.base);
        let size = self.buffer.len() as u64;
        if self.at > 0 && self.at + size > self.config.segment_bytes {
            self.begin_segment()?;
            spans = self.encode(records, self.open.base);
        }
        if planted::BeyondVisible.is_on() {
            self.note(records, &spans);
            self.shared.show(last);
        }
        let written = self.open.file.write_at(&self.buffer, self.at);
        if let Err(error) = written {
            return Err(self.take_back(&error));
        }
        if !planted::BeyondVisible.is_on() {
            self.note(records, &spans);
        }
        self.at += size;
        self.last = last;
        self.shared.set_explained(last + 1);
        self.shared.show(last);
        Ok(())
    }

    /// The last seq, if they are in order.
    fn last_of(&self, records: &[RecordView<'_>]) -> Result<Option<Seq>, AppendError> {
        let mut last = self.last;
        for RecordView { seq, .. } in records {
            if *seq <= last {
                return Err(AppendError::Disordered { seq: *seq, last });
            }
            last = *seq;
        }
        Ok(records.last().map(|_| last))
    }

    /// Encodes records into the buffer, and returns of each its size and what it skips.
    fn encode(&mut self, records: &[RecordView<'_>], base: Seq) -> Vec<(u64, u64)> {
        self.buffer.clear();
        let mut last = self.last;
        let mut spans = Vec::with_capacity(records.len());
        for record in records {
            let from = self.buffer.len();
            let skipped = self.skipped(record, last);
            record.encode(skipped, base, &mut self.buffer);
            spans.push(((self.buffer.len() - from) as u64, skipped));
            last = record.seq;
        }
        spans
    }

    /// How many seqs before a record are explained. Before the first record of a life these may
    /// be more than the caller knows of.
    fn skipped(&self, record: &RecordView<'_>, last: Seq) -> u64 {
        let explained = match last < self.begin {
            true => self.explained,
            false => last + 1,
        };
        let by_caller = record.skipped.min(record.seq - last - 1);
        let all = by_caller == record.seq - last - 1;
        if all && !planted::VoidForgotten.is_on() { record.seq - explained } else { by_caller }
    }

    fn note(&self, records: &[RecordView<'_>], spans: &[(u64, u64)]) {
        let mut at = self.at;
        let mut from = 0;
        self.open.add(|contents| {
            for (record, (size, skipped)) in records.iter().zip(spans) {
                let hash = self.shared.hasher.hash(record.channel.as_str().as_bytes());
                let bytes = &self.buffer[from..from + *size as usize];
                if let Ok(head) = Head::parse(bytes) {
                    contents.add(hash, &head, *skipped, at, *size);
                }
                at += size;
                from += *size as usize;
            }
        });
    }

    /// Undoes a write that failed, if it failed for lack of room.
    fn take_back(&mut self, error: &io::Error) -> AppendError {
        if !is_full(error) {
            return Failed::because(&self.shared, error).into();
        }
        if planted::FullNotCut.is_on() {
            return AppendError::Full;
        }
        // Made durable: what was refused must not come back after a power failure.
        let file = &self.open.file;
        let cut = file.set_length(self.at).and_then(|()| file.sync());
        match cut.and_then(|()| file.set_length(self.config.segment_bytes.max(self.at))) {
            Ok(()) => AppendError::Full,
            Err(error) => Failed::because(&self.shared, &error).into(),
        }
    }

    /// Makes sure that no seq up to `seq` is given again after a crash. To be called before a
    /// message that is not logged is shown; [`append`](Self::append) does it for its records.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn reserve(&mut self, seq: Seq) -> Result<(), AppendError> {
        Failed::check(&self.shared)?;
        if seq > self.reserved {
            let reserved = seq + self.config.reserve;
            if !planted::NotReserved.is_on() {
                self.ledger.change(|meta| meta.reserved = reserved)?;
            }
            self.reserved = reserved;
        }
        self.head = self.head.max(seq);
        Ok(())
    }

    pub(crate) fn explain(&self, error: &io::Error) -> AppendError {
        AppendError::because(&self.shared, error)
    }

    /// Makes everything durable that was appended, and returns the last of its seqs.
    ///
    /// # Errors
    /// As [`Syncer::sync`].
    pub fn sync(&mut self) -> Result<Seq, Failed> {
        self.syncer().sync()
    }

    /// Ends the segment that is written, if it has records, so that it can be sealed.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn roll(&mut self) -> Result<(), AppendError> {
        Failed::check(&self.shared)?;
        if self.at == 0 { Ok(()) } else { self.begin_segment() }
    }

    fn begin_segment(&mut self) -> Result<(), AppendError> {
        // Not the next record's seq: if that is refused, its seq may go to a later one.
        let base = self.last + 1;
        let made = make_segment(&self.shared, base, self.config.segment_bytes);
        let open = made.map_err(|error| self.explain(&error))?;
        self.open = open;
        self.at = 0;
        Ok(())
    }

    /// The full segments that are to be sealed, each once; see [`SealJob`].
    pub fn seal_jobs(&self) -> Vec<SealJob> {
        let unsealed = self.shared.unsealed().into_iter();
        let full = unsealed.filter(|segment| segment.base != self.open.base);
        let new = full.filter(|segment| segment.claim());
        new.map(|segment| SealJob::new(self.shared.clone(), segment)).collect()
    }

    /// Makes everything durable and says so, so that the next life goes on without a gap.
    ///
    /// # Errors
    /// If the disk fails or is full. The next life then begins as after a crash.
    pub fn close(mut self) -> Result<(), AppendError> {
        if let Err(failed) = self.sync() {
            // If that works, the next life does not take what this boot shows for complete.
            let _ = self.ledger.change(|meta| meta.suspect = true);
            return Err(failed.into());
        }
        for segment in self.shared.unsealed() {
            if segment.summary().records == 0 {
                continue;
            }
            match seal(&self.shared, &segment) {
                // The next life makes the index.
                Err(error) if is_full(&error) => {}
                sealed => sealed.map_err(|error| self.explain(&error))?,
            }
        }
        let RetentionClock { now, held } = self.keeper.clock();
        self.ledger.change(|meta| {
            (meta.begin, meta.explained) = (self.head + 1, self.shared.explained());
            (meta.reserved, meta.clean) = (self.head, true);
            (meta.retained_at, meta.held) = (now, held);
        })
    }

    /// What lets go of the past, also from another thread. It is not to be used once this store is
    /// closed.
    pub(crate) fn keeper(&self) -> Arc<Keeper> {
        self.keeper.clone()
    }

    /// Lets go of the oldest segments that are too much or too old. `now` is the time in
    /// milliseconds since 1970, and `elapsed` the milliseconds since the last call (at the first
    /// call: 0), by a clock that nobody sets.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn retain(
        &mut self,
        retention: Retention,
        now: u64,
        elapsed: u64,
    ) -> Result<LetGo, AppendError> {
        self.keeper.retain(retention, now, elapsed)
    }

    /// The reading end, to be cloned for other threads.
    pub fn reader(&self) -> Reader {
        Reader::new(self.shared.clone())
    }

    /// What makes appended records durable from other threads.
    pub fn syncer(&self) -> Syncer {
        Syncer::new(self.shared.clone())
    }

    /// The highest seq that was given to a message.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// The bytes of memory that the places of records in unsealed segments take, about.
    pub fn memory(&self) -> usize {
        self.shared.unsealed().iter().map(|segment| segment.memory()).sum()
    }
}

/// Makes the next segment, with its length set ahead, and adds it to the log.
pub(crate) fn make_segment(shared: &Shared, base: Seq, length: u64) -> io::Result<Arc<Segment>> {
    let disk = &*shared.disk;
    let name = name_of(base, LOG);
    let file = shared.change_names(|| disk.create(&name))?;
    if let Err(error) = file.set_length(length) {
        let _ = disk.remove(&name);
        return Err(error);
    }
    let segment = Arc::new(Segment::of_contents(base, file, Contents::default()));
    shared.add_segment(segment.clone());
    Ok(segment)
}
