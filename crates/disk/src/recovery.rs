//! Opening a log, after a clean end or any other.
//!
//! The order matters. What the disk says of the last life is read, then `meta` says durably where
//! this life begins, and only then is anything cut or removed: a second crash finds either the
//! evidence or what was concluded from it.

use std::{io, sync::Arc};

use tricast_core::{Epoch, Seq};

use crate::{
    channel_hash::ChannelHasher,
    config::{Config, Machine},
    contents::{Contents, Summary, WalkError, Walked, walk},
    disk::{Disk, DiskFile, Lock, is_full, read_full},
    meta::{META, Meta, MetaError},
    planted,
    room::{self, make_ballast},
    seal::seal,
    segment::{Finder, INDEX, LOG, Segment, base_of, name_of},
    shared::Shared,
    store::{Store, make_segment, pending_hole},
    walk::Tail,
};

/// The name of the lock's file.
const LOCK: &str = "lock";

/// What opening a log found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The epoch of the log.
    pub epoch: Epoch,
    /// Earlier epochs, and the last seq of each that this log has.
    pub lineage: Vec<(Epoch, Seq)>,
    /// The log's random key, for digests of what must not be in the log itself.
    pub key: [u8; 32],
    /// The highest seq that may have been given; the next is above it.
    pub head: Seq,
    /// Seqs up to this one were let go.
    pub floor: Seq,
    /// Whether the last life ended without closing the log.
    pub unclean: bool,
    /// The seqs that this opening found to be lost at the end of the log.
    pub lost: Option<(Seq, Seq)>,
    /// Whether bytes after the last whole record of a segment were cut.
    pub torn: bool,
    /// How many damaged places were met in segments that have no index.
    pub damages: u64,
}

/// Why a log is not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the log.
    #[error("another process has the log open; stop it, or give this one another log.path")]
    Locked,
    /// There are segments and no `meta`.
    #[error(
        "the log has segments but no file `meta`; restore it from a backup, or begin a new epoch \
         with `tricast log new-epoch`"
    )]
    MetaMissing,
    /// `meta` cannot be read.
    #[error(
        "the file `meta` of the log cannot be used: {0}; restore it from a backup, or begin a new \
         epoch with `tricast log new-epoch`"
    )]
    Meta(String),
    /// The log is of another machine, or a copy.
    #[error(
        "the log was written on another machine or is a copy; if it was moved and the original is \
         not used again, run `tricast log adopt`, and if it was copied or restored from a backup, \
         run `tricast log new-epoch`"
    )]
    Foreign,
    /// A later version wrote to the log.
    #[error("a later version of Tricast wrote to the log; run that version, or a later one")]
    Later,
    /// The disk failed.
    #[error("the log cannot be opened: {0}")]
    Io(#[from] io::Error),
}

impl From<MetaError> for OpenError {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Io(error) => Self::Io(error),
            error => Self::Meta(error.to_string()),
        }
    }
}

impl From<WalkError> for OpenError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Io(error) => Self::Io(error),
            WalkError::Later => Self::Later,
        }
    }
}

/// A segment as it was found.
struct Surveyed {
    base: Seq,
    file: Arc<dyn DiskFile>,
    known: Known,
}

enum Known {
    /// By its index.
    Sealed(Summary),
    Walked(Box<Walked>),
}

impl Surveyed {
    fn summary(&self) -> &Summary {
        match &self.known {
            Known::Sealed(summary) => summary,
            Known::Walked(walked) => &walked.contents.summary,
        }
    }
}

impl Surveyed {
    /// Whether retention had let the segment go, and got no further.
    fn is_let_go(&self, floor: Seq) -> bool {
        (1..=floor).contains(&self.summary().last)
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

impl Store {
    /// Opens the log of a folder, or makes one. `new_epoch` gives the epoch of a new log.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        disk: Arc<dyn Disk>,
        config: Config,
        new_epoch: impl FnOnce() -> Epoch,
    ) -> Result<(Self, Opened), OpenError> {
        let lock = take_lock(&*disk)?;
        let names = disk.list()?;
        let found = read_meta(&*disk, &names, &config.machine, lock.inode)?;
        let meta = match &found {
            Some(meta) => meta.clone(),
            None => new_meta(new_epoch(), &config.machine, lock.inode)?,
        };
        let hasher = ChannelHasher::new(&meta.key);
        let finder = Finder { disk: &*disk, hasher };
        let suspect = sync_before_reading(finder, &names);
        let surveyed = survey(finder, &names)?;
        let (begin, explained) = next_life(&meta, &surveyed, &config.machine, suspect);
        let next = Meta {
            begin,
            explained,
            reserved: begin - 1 + config.reserve,
            clean: false,
            always: config.always,
            boot: config.machine.boot.clone(),
            ..meta.clone()
        };
        let write = || room::with_ballast(&*disk, || next.write(&*disk));
        if planted::CutBeforeJump.is_on() {
            for segment in &surveyed {
                cut(segment, &meta)?;
            }
        }
        if !(meta.clean && found.is_some() && planted::CleanKept.is_on()) {
            write()?;
        }
        let shared = Arc::new(Shared::new(disk.clone(), hasher, meta.floor));
        let last = surveyed.iter().map(|segment| segment.summary().last).max().unwrap_or(0);
        let mut opened = Opened {
            epoch: next.epoch,
            lineage: next.lineage.clone(),
            key: next.key,
            head: begin - 1,
            floor: meta.floor,
            unclean: !meta.clean && found.is_some(),
            lost: pending_hole(last.max(meta.floor), explained),
            torn: false,
            damages: 0,
        };
        let reused = repair(&shared, surveyed, &meta, begin, &mut opened)?;
        remove_strays(&*disk, &names)?;
        let open = match reused {
            Some(file) => {
                file.set_length(config.segment_bytes)?;
                let segment = Segment::of_contents(begin, file, Contents::default());
                let segment = Arc::new(segment);
                shared.add_segment(segment.clone());
                segment
            }
            None => {
                room::with_ballast(&*disk, || make_segment(&shared, begin, config.segment_bytes))?
            }
        };
        shared.sync_names()?;
        make_ballast(&*disk, config.ballast)?;
        shared.set_explained(explained);
        shared.show(begin - 1);
        Ok((Self::new(shared, config, next, open, lock), opened))
    }
}

fn take_lock(disk: &dyn Disk) -> Result<Lock, OpenError> {
    disk.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => OpenError::Io(error),
    })
}

fn read_meta(
    disk: &dyn Disk,
    names: &[String],
    machine: &Machine,
    inode: u64,
) -> Result<Option<Meta>, OpenError> {
    if !names.iter().any(|name| name == META) {
        let segments = names.iter().any(|name| base_of(name, LOG).is_some());
        return if segments { Err(OpenError::MetaMissing) } else { Ok(None) };
    }
    let meta = Meta::read(disk)?;
    let same_machine = meta.machine == machine.id || machine.id.is_empty();
    match same_machine && meta.inode == inode {
        true => Ok(Some(meta)),
        false => Err(OpenError::Foreign),
    }
}

fn new_meta(epoch: Epoch, machine: &Machine, inode: u64) -> Result<Meta, OpenError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    Ok(Meta {
        epoch,
        lineage: Vec::new(),
        key,
        begin: 1,
        explained: 1,
        reserved: 0,
        floor: 0,
        retained_at: 0,
        clean: true,
        always: false,
        boot: String::new(),
        machine: machine.id.clone(),
        inode,
    })
}

/// Whether a segment cannot be believed although this boot wrote it: the first sync after a failed
/// writing back says so, and what then is read may be what was there before.
fn sync_before_reading(finder: Finder<'_>, names: &[String]) -> bool {
    let bases = names.iter().filter_map(|name| base_of(name, LOG));
    let unsealed = bases.filter(|base| !matches!(finder.summary(*base), Ok(Some(_))));
    let files = unsealed.filter_map(|base| finder.disk.open(&name_of(base, LOG)).ok());
    files.filter(|file| file.sync().is_err()).count() > 0
}

/// Reads all segments, and changes nothing.
fn survey(finder: Finder<'_>, names: &[String]) -> Result<Vec<Surveyed>, OpenError> {
    let mut bases: Vec<Seq> = names.iter().filter_map(|name| base_of(name, LOG)).collect();
    bases.sort_unstable();
    let mut surveyed = Vec::with_capacity(bases.len());
    for base in bases {
        let file = finder.disk.open(&name_of(base, LOG))?;
        let length = file.length()?;
        let known = match finder.summary(base)? {
            Some(summary) if summary.length <= length => Known::Sealed(summary),
            _ => Known::Walked(Box::new(walk(&*file, base, length, finder.hasher)?)),
        };
        surveyed.push(Surveyed { base, file, known });
    }
    Ok(surveyed)
}

/// Where the next life begins, and from where on nothing before that is lost.
fn next_life(meta: &Meta, surveyed: &[Surveyed], machine: &Machine, suspect: bool) -> (Seq, Seq) {
    if meta.clean {
        return (meta.begin, meta.explained);
    }
    let last = surveyed.iter().map(|segment| segment.summary().last).max().unwrap_or(0);
    if planted::NoJump.is_on() {
        return (last.max(meta.begin - 1) + 1, last.max(meta.begin - 1) + 1);
    }
    let same_boot = !machine.boot.is_empty() && meta.boot == machine.boot;
    let same_boot = same_boot || planted::BootIgnored.is_on();
    // From the last record on: what is before it is found by the seqs.
    let tails = surveyed.iter().filter_map(|segment| match &segment.known {
        Known::Walked(walked) if segment.summary().last == last || segment.base > last => {
            Some(walked.tail)
        }
        _ => None,
    });
    let mut tails = tails.map(|tail| tail == Tail::Clean || same_boot && tail == Tail::Torn);
    let complete = tails.all(|whole| whole) && !suspect && (same_boot || meta.always);
    let begin = meta.reserved + 1;
    (begin, if complete { meta.explained.max(last + 1) } else { begin })
}

/// Cuts what stands after the last whole record.
fn cut(segment: &Surveyed, meta: &Meta) -> io::Result<bool> {
    let Known::Walked(walked) = &segment.known else { return Ok(false) };
    if meta.clean {
        return Ok(false);
    }
    segment.file.set_length(walked.contents.summary.length)?;
    Ok(walked.tail != Tail::Clean)
}

/// Makes what was found durable, and gives the segments to the log. Returns the file of an empty
/// segment that begins where this life begins.
fn repair(
    shared: &Shared,
    surveyed: Vec<Surveyed>,
    meta: &Meta,
    begin: Seq,
    opened: &mut Opened,
) -> Result<Option<Arc<dyn DiskFile>>, OpenError> {
    let mut segments = Vec::with_capacity(surveyed.len());
    let mut unsealed = Vec::new();
    let mut reused = None;
    for found in surveyed {
        if found.is_let_go(meta.floor) {
            let ending = |ending| shared.disk.remove(&name_of(found.base, ending));
            shared.change_names(|| ending(LOG).and(gone(ending(INDEX))))?;
            continue;
        }
        opened.torn |= cut(&found, meta)?;
        let Surveyed { base, file, known } = found;
        match known {
            Known::Sealed(summary) => {
                segments.push(Arc::new(Segment::of_summary(base, file, summary)));
            }
            Known::Walked(walked) if walked.contents.summary.records == 0 => {
                // Emptied for good: its name may be used again.
                file.set_length(0)?;
                file.sync()?;
                match base == begin {
                    true => reused = Some(file),
                    false => shared.change_names(|| shared.disk.remove(&name_of(base, LOG)))?,
                }
            }
            Known::Walked(walked) => {
                opened.damages += walked.damages;
                if !meta.clean && !planted::TailTrusted.is_on() {
                    rewrite(&*file, walked.contents.summary.length)?;
                }
                let segment = Arc::new(Segment::of_contents(base, file, walked.contents));
                unsealed.push(segment.clone());
                segments.push(segment);
            }
        }
    }
    shared.set_segments(segments);
    for segment in unsealed {
        match seal(shared, &segment) {
            Err(error) if is_full(&error) => shared.add_unsynced(segment),
            sealed => sealed?,
        }
    }
    Ok(reused)
}

/// Writes a segment's bytes again in their place, and makes them durable. What the page cache shows
/// after a failed sync, or after a process has died, is not what the disk has; and a full disk has
/// no room for a copy.
fn rewrite(file: &dyn DiskFile, length: u64) -> io::Result<()> {
    let mut block = vec![0; 256 << 10];
    let mut at = 0;
    while at < length {
        let size = block.len().min((length - at) as usize);
        let there = read_full(file, &mut block[..size], at)?;
        if there == 0 {
            break;
        }
        file.write_at(&block[..there], at)?;
        at += there as u64;
    }
    file.sync()
}

/// Removes what a life left behind that did not end well: files half made, indexes without their
/// segment, segments that were let go.
fn remove_strays(disk: &dyn Disk, names: &[String]) -> io::Result<()> {
    let logs: Vec<Seq> = names.iter().filter_map(|name| base_of(name, LOG)).collect();
    for name in names {
        let stray = name.ends_with(".tmp")
            || base_of(name, INDEX).is_some_and(|base| !logs.contains(&base));
        if stray {
            gone(disk.remove(name))?;
        }
    }
    Ok(())
}
