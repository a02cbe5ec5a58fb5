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
    contents::{Contents, pending_hole},
    disk::{Disk, DiskFile, Lock, is_full, read_full, remove_if_there},
    meta::{META, Meta},
    planted,
    presence::{self, PRESENCE},
    room::{self, make_ballast},
    seal::seal,
    segment::{Finder, INDEX, LOG, Segment, base_of, name_of},
    shared::Shared,
    store::{Store, make_segment},
    survey::{
        Known, OpenError, Surveyed, last_known, next_life, read_meta, survey, sync_before_reading,
    },
    walk::Tail,
};

/// The name of the lock's file.
pub(crate) const LOCK: &str = "lock";

/// What opening a log found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The epoch of the log.
    pub epoch: Epoch,
    /// Earlier epochs, and the last seq of each that this log has.
    pub lineage: Vec<(Epoch, Seq)>,
    /// What [`Config::logged`] was in earlier parts of the log, and the last seq of each.
    pub earlier: Vec<(Seq, String)>,
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
    /// What the last life kept of who was online; only after a clean end.
    pub presence: Option<Vec<u8>>,
    /// How many damaged places were met in segments that have no index.
    pub damages: u64,
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
        let found = read_meta(&*disk, &names)?;
        let machine = &config.machine;
        let is_ours = |meta: &Meta| {
            meta.inode == lock.inode && (machine.id.is_empty() || meta.machine == machine.id)
        };
        if !found.as_ref().is_none_or(is_ours) {
            return Err(OpenError::Foreign);
        }
        let meta = match &found {
            Some(meta) => meta.clone(),
            None => new_meta(new_epoch(), &config.machine, lock.inode)?,
        };
        let hasher = ChannelHasher::new(&meta.key);
        let finder = Finder { disk: &*disk, hasher };
        let suspects = sync_before_reading(finder, &names);
        let surveyed = survey(finder, &names)?;
        let (begin, explained) = next_life(&meta, &surveyed, &config.machine, &suspects);
        let logged = config.logged.clone().unwrap_or_else(|| meta.logged.clone());
        let next = Meta {
            earlier: meta.earlier_than(begin - 1, &logged),
            logged,
            begin,
            explained,
            reserved: begin - 1 + config.reserve,
            clean: false,
            suspect: false,
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
        let shared = Arc::new(Shared::new(disk, hasher, meta.floor));
        let mut opened = Opened {
            epoch: next.epoch,
            lineage: next.lineage.clone(),
            earlier: next.earlier.clone(),
            key: next.key,
            head: begin - 1,
            floor: meta.floor,
            unclean: !meta.clean && found.is_some(),
            lost: pending_hole(last_known(&surveyed, meta.floor), explained),
            torn: false,
            presence: None,
            damages: 0,
        };
        let disk = &*shared.disk;
        if meta.clean {
            opened.presence = presence::read(disk, begin)?;
        }
        presence::remove(disk)?;
        let reused = repair(&shared, surveyed, &meta, begin, &mut opened)?;
        remove_strays(disk, &names)?;
        let open = first_segment(&shared, begin, config.segment_bytes, reused)?;
        make_ballast(disk, config.ballast)?;
        shared.set_explained(explained);
        shared.show(begin - 1);
        Ok((Self::new(shared, config, next, open, lock), opened))
    }
}

/// Makes the segment that this life writes first, durably.
fn first_segment(
    shared: &Shared,
    begin: Seq,
    length: u64,
    reused: Option<Arc<dyn DiskFile>>,
) -> io::Result<Arc<Segment>> {
    let segment = match reused {
        Some(file) => {
            file.set_length(length)?;
            let segment = Arc::new(Segment::of_contents(begin, file, Contents::default()));
            shared.add_segment(segment.clone());
            segment
        }
        None => room::with_ballast(&*shared.disk, || make_segment(shared, begin, length))?,
    };
    shared.sync_names()?;
    Ok(segment)
}

pub(crate) fn take_lock(disk: &dyn Disk) -> Result<Lock, OpenError> {
    disk.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => OpenError::Io(error),
    })
}

pub(crate) fn new_meta(epoch: Epoch, machine: &Machine, inode: u64) -> Result<Meta, OpenError> {
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
        held: 0,
        suspect: false,
        clean: true,
        always: false,
        boot: String::new(),
        machine: machine.id.clone(),
        inode,
        logged: String::new(),
        earlier: Vec::new(),
    })
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
            let remove = |ending| remove_if_there(&*shared.disk, &name_of(found.base, ending));
            shared.change_names(|| remove(LOG).and_then(|()| remove(INDEX)))?;
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
                opened.damages += walked.damages.len() as u64;
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
    // Other files in the folder are not ours to remove.
    let is_ours = |name: &str| {
        [META, PRESENCE, room::TRIAL].contains(&name) || base_of(name, INDEX).is_some()
    };
    for name in names {
        let stray = name.strip_suffix(".tmp").is_some_and(is_ours)
            || base_of(name, INDEX).is_some_and(|base| !logs.contains(&base));
        if stray {
            remove_if_there(disk, name)?;
        }
    }
    Ok(())
}
