//! One file of records, open for reading by any thread, and the newest also for writing by one.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use tricast_core::Seq;

use crate::{
    channel_hash::ChannelHasher,
    contents::{Contents, LoggedReceipt, Mark, Summary, WalkError, Walked, walk},
    disk::{Disk, DiskFile},
    index::{self, Index},
    planted,
    postings::Nth,
};

/// The ending of a segment's name.
pub(crate) const LOG: &str = ".log";
/// The ending of an index's name.
pub(crate) const INDEX: &str = ".idx";

/// The name of a file of the segment of this base.
pub(crate) fn name_of(base: Seq, ending: &str) -> String {
    format!("{base:020}{ending}")
}

/// The base of the segment whose file has this name.
pub(crate) fn base_of(name: &str, ending: &str) -> Option<Seq> {
    let digits = name.strip_suffix(ending)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// A segment.
pub(crate) struct Segment {
    /// The lowest seq that this segment can have; no other segment has had the same.
    pub(crate) base: Seq,
    pub(crate) file: Arc<dyn DiskFile>,
    state: RwLock<State>,
    /// Up to where the file is durable. One thread syncs at a time: of two, only one would be told
    /// of an error.
    synced: Mutex<u64>,
    claimed: AtomicBool,
    /// Let go by retention.
    retired: AtomicBool,
}

struct State {
    summary: Arc<Summary>,
    lookup: Lookup,
}

/// How records are found.
enum Lookup {
    Memory(Box<Contents>),
    Disk(Arc<Index>),
    /// By an index on disk that nobody has needed yet.
    Unread,
}

impl Segment {
    /// Makes a segment of what is known from writing or walking it.
    pub(crate) fn of_contents(base: Seq, file: Arc<dyn DiskFile>, contents: Contents) -> Self {
        let summary = Arc::new(contents.summary.clone());
        Self::new(base, file, summary, Lookup::Memory(Box::new(contents)))
    }

    /// Makes a segment that has an index on disk.
    pub(crate) fn of_summary(base: Seq, file: Arc<dyn DiskFile>, summary: Summary) -> Self {
        Self::new(base, file, Arc::new(summary), Lookup::Unread)
    }

    fn new(base: Seq, file: Arc<dyn DiskFile>, summary: Arc<Summary>, lookup: Lookup) -> Self {
        let state = RwLock::new(State { summary, lookup });
        Self {
            base,
            file,
            state,
            synced: Mutex::new(0),
            claimed: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the segment holds now.
    pub(crate) fn summary(&self) -> Arc<Summary> {
        match &self.state().lookup {
            Lookup::Memory(contents) => Arc::new(contents.summary.clone()),
            _ => self.state().summary.clone(),
        }
    }

    /// Adds what was just written.
    pub(crate) fn add(&self, add: impl FnOnce(&mut Contents)) {
        if let Lookup::Memory(contents) = &mut self.state_mut().lookup {
            add(contents);
        }
    }

    /// About how many bytes of memory the places of records take.
    pub(crate) fn memory(&self) -> usize {
        match &self.state().lookup {
            Lookup::Memory(contents) => contents.postings.memory(),
            _ => 0,
        }
    }

    /// Makes all that was written so far durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let summary = self.summary();
        let ends_with_erasure =
            summary.erasures.last().is_some_and(|erasure| erasure.seq == summary.last);
        let forgotten = planted::ErasureNotSynced.is_on() && ends_with_erasure;
        let length = summary.length;
        if length > *synced && !forgotten {
            // Also if it is for lack of room: what was written before may be gone.
            self.file.sync().map_err(io::Error::other)?;
            *synced = length;
        }
        Ok(())
    }

    /// Says that the segment's files are about to be removed.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether the segment's files are removed.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// True the first time: the segment is then sealed by the one who asked.
    pub(crate) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Finds records by the index on disk from here on.
    pub(crate) fn use_index(&self, summary: Summary) {
        let mut state = self.state_mut();
        state.summary = Arc::new(summary);
        state.lookup = Lookup::Unread;
    }

    /// The places of a channel from `from` on, at most `most`, ascending.
    pub(crate) fn places_from(
        &self,
        finder: Finder<'_>,
        hash: u64,
        from: u32,
        most: usize,
        out: &mut Vec<u32>,
    ) -> io::Result<()> {
        self.with_lookup(finder, |found| match found {
            Found::Memory(contents) => {
                contents.postings.from(hash, from, most, out);
                Ok(())
            }
            Found::Disk(index) => index.from(hash, from, most, out),
        })
    }

    /// The newest places of a channel before `before`, at most `most`, descending.
    pub(crate) fn places_before(
        &self,
        finder: Finder<'_>,
        hash: u64,
        before: u32,
        most: usize,
        out: &mut Vec<u32>,
    ) -> io::Result<()> {
        self.with_lookup(finder, |found| match found {
            Found::Memory(contents) => {
                contents.postings.newest(hash, before, most, out);
                Ok(())
            }
            Found::Disk(index) => index.newest(hash, before, most, out),
        })
    }

    /// The place of a channel that is the `n`th before `before`, the newest first.
    pub(crate) fn nth_newest(
        &self,
        finder: Finder<'_>,
        hash: u64,
        before: u32,
        n: u64,
    ) -> io::Result<Nth> {
        self.with_lookup(finder, |found| match found {
            Found::Memory(contents) => Ok(contents.postings.nth_newest(hash, before, n)),
            Found::Disk(index) => index.nth_newest(hash, before, n),
        })
    }

    /// A place from which all records with at least this seq are found, and few others.
    pub(crate) fn place_of(&self, finder: Finder<'_>, seq: Seq) -> io::Result<u64> {
        self.with_marks(finder, |marks| {
            let after = marks.partition_point(|mark| mark.seq <= seq);
            after.checked_sub(1).map_or(0, |n| marks[n].at)
        })
    }

    /// Where parts of the segment begin.
    pub(crate) fn marks(&self, finder: Finder<'_>) -> io::Result<Vec<Mark>> {
        self.with_marks(finder, <[Mark]>::to_vec)
    }

    /// A place at which, and after which, all records are above this seq.
    pub(crate) fn place_beyond(&self, finder: Finder<'_>, seq: Seq) -> io::Result<u32> {
        self.with_marks(finder, |marks| {
            let after = marks.partition_point(|mark| mark.seq <= seq);
            marks.get(after).map_or(u32::MAX, |mark| mark.at as u32)
        })
    }

    /// The lowest and the highest seq that a record at `at` can have, as far as marks tell.
    pub(crate) fn seqs_around(&self, finder: Finder<'_>, at: u64) -> io::Result<(Seq, Seq)> {
        let last = self.summary().last;
        self.with_marks(finder, |marks| {
            let after = marks.partition_point(|mark| mark.at <= at);
            let low = after.checked_sub(1).map_or(self.base, |n| marks[n].seq);
            (low, marks.get(after).map_or(last, |mark| mark.seq - 1))
        })
    }

    /// The seq of the first record of the newest `bytes` of this segment, as far as marks tell.
    pub(crate) fn seq_of_newest(&self, finder: Finder<'_>, bytes: u64) -> io::Result<Seq> {
        let summary = self.summary();
        let from = summary.length.saturating_sub(bytes);
        self.with_marks(finder, |marks| {
            let after = marks.partition_point(|mark| mark.at < from);
            marks.get(after).map_or(summary.last + 1, |mark| mark.seq)
        })
    }

    /// The receipts of this segment.
    pub(crate) fn receipts(&self, finder: Finder<'_>) -> io::Result<Vec<LoggedReceipt>> {
        let on_disk = self.with_lookup(finder, |found| match found {
            Found::Memory(_) => Ok(None),
            Found::Disk(index) => index.receipts().map(Some),
        })?;
        match on_disk {
            Some(receipts) => Ok(receipts),
            None if planted::ReceiptsNotRebuilt.is_on() => Ok(Vec::new()),
            None => Ok(self.walk(finder)?.receipts),
        }
    }

    /// Reads all of the segment.
    pub(crate) fn walk(&self, finder: Finder<'_>) -> io::Result<Walked> {
        walk(&*self.file, self.base, self.summary().length, finder.hasher).map_err(into_io)
    }

    /// Reads all of the segment, and what was written since it was looked at.
    pub(crate) fn walk_to_end(&self, finder: Finder<'_>) -> io::Result<Walked> {
        walk(&*self.file, self.base, self.file.length()?, finder.hasher).map_err(into_io)
    }

    fn with_marks<T>(
        &self,
        finder: Finder<'_>,
        use_marks: impl FnOnce(&[Mark]) -> T,
    ) -> io::Result<T> {
        self.with_lookup(finder, |found| {
            Ok(use_marks(match found {
                Found::Memory(contents) => &contents.marks,
                Found::Disk(index) => &index.marks,
            }))
        })
    }

    fn with_lookup<T>(
        &self,
        finder: Finder<'_>,
        find: impl FnOnce(Found<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let state = self.state();
            let index = match &state.lookup {
                Lookup::Memory(contents) => return find(Found::Memory(contents)),
                Lookup::Disk(index) => index.clone(),
                Lookup::Unread => {
                    drop(state);
                    self.read_index(finder)?;
                    continue;
                }
            };
            drop(state);
            return find(Found::Disk(&index));
        }
    }

    /// Reads the index, or makes what it says again from the segment.
    fn read_index(&self, finder: Finder<'_>) -> io::Result<()> {
        let lookup = match finder.load(self.base)? {
            Some(index) => Lookup::Disk(Arc::new(index)),
            None => {
                let mut contents = self.walk(finder)?.contents;
                // What the index's head knew of records that are damaged now is not forgotten.
                contents.summary = Summary::clone(&self.summary());
                Lookup::Memory(Box::new(contents))
            }
        };
        let mut state = self.state_mut();
        if matches!(state.lookup, Lookup::Unread) {
            state.lookup = lookup;
        }
        Ok(())
    }
}

fn into_io(error: WalkError) -> io::Error {
    match error {
        WalkError::Io(error) => error,
        WalkError::Later => io::Error::other(error),
    }
}

enum Found<'f> {
    Memory(&'f Contents),
    Disk(&'f Index),
}

/// What finding the index of a segment takes.
#[derive(Clone, Copy)]
pub(crate) struct Finder<'d> {
    pub(crate) disk: &'d dyn Disk,
    pub(crate) hasher: ChannelHasher,
}

impl Finder<'_> {
    /// The index of the segment of this base, unless it is missing or damaged.
    pub(crate) fn load(self, base: Seq) -> io::Result<Option<Index>> {
        let file = match self.disk.open(&name_of(base, INDEX)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match index::read_head(&*file, base, self.hasher.fingerprint())? {
            Some(head) => Index::load(file, &head),
            None => Ok(None),
        }
    }

    /// What the index of the segment of this base says the segment holds, unless the index is
    /// missing or damaged.
    pub(crate) fn summary(self, base: Seq) -> io::Result<Option<Summary>> {
        match self.disk.open(&name_of(base, INDEX)) {
            Ok(file) => {
                let head = index::read_head(&*file, base, self.hasher.fingerprint())?;
                Ok(head.map(|head| head.summary))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
