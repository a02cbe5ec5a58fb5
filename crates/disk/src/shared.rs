//! What the writer, the readers and the threads that seal and sync have in common.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tricast_core::Seq;

use crate::{
    channel_hash::ChannelHasher,
    disk::Disk,
    planted,
    segment::{Finder, Segment},
};

/// The segments of a log at one moment, by their base.
pub(crate) type Segments = Arc<Vec<Arc<Segment>>>;

/// A log that is open.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) hasher: ChannelHasher,
    segments: RwLock<Segments>,
    /// Segments that are not known to be durable, by their base.
    unsynced: Mutex<Vec<Arc<Segment>>>,
    /// Whether names were made or removed that are not known to be durable. Held while they are
    /// made so, as nobody may take them for durable before.
    names: Mutex<bool>,
    /// Seqs up to this one were let go.
    floor: AtomicU64,
    /// The last seq that a reader may see.
    visible: AtomicU64,
    /// The seqs from this one to the next that is written are of no lost message.
    explained: AtomicU64,
    failed: OnceLock<String>,
    /// Where damaged records were met.
    damaged: Mutex<BTreeSet<(Seq, u64)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, hasher: ChannelHasher, floor: Seq) -> Self {
        Self {
            disk,
            hasher,
            segments: RwLock::default(),
            unsynced: Mutex::default(),
            names: Mutex::new(false),
            floor: AtomicU64::new(floor),
            visible: AtomicU64::new(0),
            explained: AtomicU64::new(0),
            failed: OnceLock::new(),
            damaged: Mutex::default(),
        }
    }

    pub(crate) fn finder(&self) -> Finder<'_> {
        Finder { disk: &*self.disk, hasher: self.hasher }
    }

    pub(crate) fn segments(&self) -> Segments {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_segments(&self, segments: Vec<Arc<Segment>>) {
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(segments);
    }

    fn change_segments(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::clone(&segments);
        change(&mut changed);
        *segments = Arc::new(changed);
    }

    /// Adds a segment that nothing was written to yet.
    pub(crate) fn add_segment(&self, segment: Arc<Segment>) {
        lock(&self.unsynced).push(segment.clone());
        self.change_segments(|segments| segments.push(segment));
    }

    pub(crate) fn add_unsynced(&self, segment: Arc<Segment>) {
        lock(&self.unsynced).push(segment);
    }

    pub(crate) fn is_sealed(&self, base: Seq) {
        lock(&self.unsynced).retain(|segment| segment.base != base);
    }

    /// Segments that are written or have no index yet, by their base.
    pub(crate) fn unsealed(&self) -> Vec<Arc<Segment>> {
        lock(&self.unsynced).clone()
    }

    pub(crate) fn floor(&self) -> Seq {
        self.floor.load(Ordering::Acquire)
    }

    /// Shows no more what was let go.
    pub(crate) fn let_go(&self, floor: Seq, gone: &[Arc<Segment>]) {
        // The floor first: nobody may miss what was let go and not be told.
        self.floor.fetch_max(floor, Ordering::AcqRel);
        let is_kept = |segment: &Arc<Segment>| gone.iter().all(|one| one.base != segment.base);
        lock(&self.unsynced).retain(is_kept);
        self.change_segments(|segments| segments.retain(is_kept));
    }

    pub(crate) fn visible(&self) -> Seq {
        self.visible.load(Ordering::Acquire)
    }

    /// Shows all that was written up to `seq`.
    pub(crate) fn show(&self, seq: Seq) {
        self.visible.fetch_max(seq, Ordering::AcqRel);
    }

    pub(crate) fn explained(&self) -> Seq {
        self.explained.load(Ordering::Acquire)
    }

    pub(crate) fn set_explained(&self, seq: Seq) {
        self.explained.store(seq, Ordering::Release);
    }

    /// Ends the log for writing, for ever.
    pub(crate) fn fail(&self, why: &io::Error) {
        // The first reason is the one that explains the others.
        let _ = self.failed.set(why.to_string());
    }

    /// Why the log has failed, if it has.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str).filter(|_| !planted::AppendAfterFailure.is_on())
    }

    /// Notes a damaged record, once.
    pub(crate) fn note_damage(&self, base: Seq, at: u64) {
        lock(&self.damaged).insert((base, at));
    }

    pub(crate) fn damaged(&self) -> u64 {
        lock(&self.damaged).len() as u64
    }

    /// Says that names were made or removed.
    pub(crate) fn change_names<T>(&self, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut dirty = lock(&self.names);
        *dirty = true;
        change()
    }

    /// Makes names durable.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        let mut dirty = lock(&self.names);
        if *dirty && !planted::NameNotSynced.is_on() {
            self.disk.sync_names()?;
        }
        *dirty = false;
        Ok(())
    }

    /// Makes all that readers may see now durable, and returns up to which seq that is.
    pub(crate) fn sync(&self) -> io::Result<Seq> {
        let visible = self.visible();
        let mut unsynced = self.unsealed();
        if planted::OlderNotSynced.is_on() {
            unsynced.drain(..unsynced.len().saturating_sub(1));
        }
        unsynced.iter().try_for_each(|segment| segment.sync())?;
        self.sync_names()?;
        Ok(visible)
    }
}
