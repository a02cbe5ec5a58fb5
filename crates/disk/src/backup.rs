//! A copy of a log, made while a gateway writes it.
//!
//! It works on real directories alone: a [`Disk`] is one folder, and what a backup saves room and
//! time with is hard links between two.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use tricast_core::{Epoch, Seq};

use crate::{
    channel_hash::ChannelHasher,
    contents::{Summary, walk},
    disk::{Disk, DiskFile, read_full, real::RealDisk},
    meta::Meta,
    segment::{Finder, INDEX, LOG, base_of, name_of},
    survey::{OpenError, read_meta},
};

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The epoch of the log.
    pub epoch: Epoch,
    /// The seq of the last message.
    pub last: Seq,
    /// The number of messages.
    pub records: u64,
    /// The number of segments that share their bytes with those of the log.
    pub linked: usize,
    /// The number of segments that were copied.
    pub copied: usize,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no log.
    #[error("there is no log in {0}; name its directory in log.path")]
    NoLog(PathBuf),
    /// The directory has something in it.
    #[error("{0} is not empty; name a directory that does not exist yet")]
    NotEmpty(PathBuf),
    /// The directory is the log's own, or in it.
    #[error("{0} belongs to the log; name a directory outside of it")]
    Inside(PathBuf),
    /// The log cannot be read.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The backup cannot be written.
    #[error("cannot write the backup in {to}: {error}; remove the directory, and try again")]
    Target {
        /// The directory.
        to: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Makes a backup of the log in `from` in the directory `to`, which is made if it is missing.
/// `tricast log new-epoch` then makes it a log.
///
/// # Errors
/// See [`BackupError`]. A backup that was not completed has no `meta`.
pub fn back_up(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    let source = RealDisk::open_to_look(from).map_err(OpenError::Io)?;
    back_up_seen(&source, from, to)
}

/// Makes a backup of the log in `from`, which is seen through `source`.
pub(crate) fn back_up_seen(
    source: &dyn Disk,
    from: &Path,
    to: &Path,
) -> Result<Backup, BackupError> {
    let target = |error| BackupError::Target { to: to.to_owned(), error };
    let names = source.list().map_err(OpenError::Io)?;
    let Some(begun) = read_meta(source, &names)? else {
        return Err(BackupError::NoLog(from.to_owned()));
    };
    make_empty(from, to)?;
    let mut copying = Copying {
        from,
        to,
        finder: Finder { disk: source, hasher: ChannelHasher::new(&begun.key) },
        taken: Vec::new(),
        lost: false,
    };
    copying.run()?;
    // What was let go after `meta` was read, and before the names were, is not missed either.
    let mut bases = names.iter().filter_map(|name| base_of(name, LOG));
    copying.lost |= bases.any(|base| copying.taken.iter().all(|taken| taken.base != base));
    let disk = RealDisk::open(to).map_err(target)?;
    // Names first: the log is complete when its `meta` is there.
    disk.sync_names().map_err(target)?;
    let ended = Meta::read(source).map_err(OpenError::from)?;
    let floor = if copying.lost { ended.floor } else { begun.floor };
    let meta = Meta {
        floor,
        // What was published later is not here, and readers who were before it are told.
        clean: false,
        suspect: true,
        boot: String::new(),
        // Nobody's, so that nobody takes it for the log itself.
        machine: String::new(),
        inode: 0,
        ..ended
    };
    meta.write(&disk).map_err(target)?;
    let parent = to.canonicalize().ok().and_then(|to| to.parent().map(File::open));
    parent.transpose().and_then(|it| it.map_or(Ok(()), |it| it.sync_all())).map_err(target)?;
    let kept = copying.taken.iter().filter(|taken| !(1..=floor).contains(&taken.summary.last));
    let mut backup = Backup { epoch: meta.epoch, last: floor, records: 0, linked: 0, copied: 0 };
    for taken in kept {
        backup.last = backup.last.max(taken.summary.last);
        backup.records += taken.summary.records;
        *if taken.is_linked { &mut backup.linked } else { &mut backup.copied } += 1;
    }
    Ok(backup)
}

fn make_empty(from: &Path, to: &Path) -> Result<(), BackupError> {
    let target = |error| BackupError::Target { to: to.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(target)?;
    let place = to.canonicalize().map_err(target)?;
    if place.starts_with(from.canonicalize().map_err(OpenError::Io)?) {
        let _ = fs::remove_dir(to);
        return Err(BackupError::Inside(to.to_owned()));
    }
    match fs::read_dir(to).map_err(target)?.next() {
        None => Ok(()),
        Some(_) => Err(BackupError::NotEmpty(to.to_owned())),
    }
}

/// A segment of the backup.
struct Taken {
    base: Seq,
    summary: Summary,
    is_linked: bool,
}

/// A backup under way.
struct Copying<'a> {
    from: &'a Path,
    to: &'a Path,
    finder: Finder<'a>,
    taken: Vec<Taken>,
    /// Whether retention took a segment before it was copied.
    lost: bool,
}

impl Copying<'_> {
    /// Takes all segments. Those that retention takes meanwhile are the oldest: the backup then
    /// begins with the next one.
    fn run(&mut self) -> Result<(), BackupError> {
        loop {
            let names = self.finder.disk.list().map_err(OpenError::Io)?;
            let mut bases: Vec<Seq> = names.iter().filter_map(|name| base_of(name, LOG)).collect();
            bases.sort_unstable();
            let last = self.taken.last().map_or(0, |taken| taken.base);
            let mut is_complete = true;
            for base in bases.into_iter().filter(|base| *base > last) {
                is_complete = self.take(base)?;
            }
            if is_complete {
                return Ok(());
            }
        }
    }

    /// Takes a segment; false if it is gone.
    fn take(&mut self, base: Seq) -> Result<bool, BackupError> {
        match self.link_or_copy(base) {
            Ok(taken) => {
                self.taken.extend(taken);
                Ok(true)
            }
            Err(BackupError::Source(OpenError::Io(error)))
                if error.kind() == io::ErrorKind::NotFound =>
            {
                self.lost = true;
                // What is older is gone too.
                self.taken.push(Taken { base, summary: Summary::default(), is_linked: false });
                for taken in self.taken.drain(..) {
                    for ending in [LOG, INDEX] {
                        let _ = fs::remove_file(self.to.join(name_of(taken.base, ending)));
                    }
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn link_or_copy(&self, base: Seq) -> Result<Option<Taken>, BackupError> {
        let name = name_of(base, LOG);
        let file = self.finder.disk.open(&name).map_err(OpenError::Io)?;
        let length = file.length().map_err(OpenError::Io)?;
        let summary = self.finder.summary(base).map_err(OpenError::Io)?;
        let Some(summary) = summary.filter(|summary| summary.length <= length) else {
            return self.copy_head(base, &*file);
        };
        // A segment with an index is never written again. Without one it may be, by a recovery, so
        // the index goes first.
        let is_linked = self.link(&name_of(base, INDEX))? && self.link(&name)?;
        if !is_linked {
            self.copy(&name_of(base, INDEX))?;
            self.copy(&name)?;
        }
        Ok(Some(Taken { base, summary, is_linked }))
    }

    /// Links a file; false where that is not possible.
    fn link(&self, name: &str) -> Result<bool, BackupError> {
        use io::ErrorKind::{
            CrossesDevices, NotFound, PermissionDenied, TooManyLinks, Unsupported,
        };
        match fs::hard_link(self.from.join(name), self.to.join(name)) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                NotFound => Err(OpenError::Io(error).into()),
                CrossesDevices | PermissionDenied | TooManyLinks | Unsupported => Ok(false),
                _ => Err(self.target(error)),
            },
        }
    }

    /// Copies a file that is not written any more.
    fn copy(&self, name: &str) -> Result<(), BackupError> {
        let mut source = File::open(self.from.join(name)).map_err(OpenError::Io)?;
        let _ = fs::remove_file(self.to.join(name));
        let mut file = self.create(name)?;
        io::copy(&mut source, &mut file).map_err(|error| self.target(error))?;
        file.sync_all().map_err(|error| self.target(error))
    }

    /// Copies the records of a segment that is written, as far as they are whole now.
    fn copy_head(&self, base: Seq, source: &dyn DiskFile) -> Result<Option<Taken>, BackupError> {
        let length = source.length().map_err(OpenError::Io)?;
        let end = walk(source, base, length, self.finder.hasher);
        let end = end.map_err(OpenError::from)?.contents.summary.length;
        if end == 0 {
            return Ok(None);
        }
        // A write that was under way is seen in parts, and what is before its end is whole now.
        let walked = walk(source, base, end, self.finder.hasher).map_err(OpenError::from)?;
        let file = self.create(&name_of(base, LOG))?;
        let mut block = vec![0; 256 << 10];
        let mut at = 0;
        while at < end {
            let size = block.len().min((end - at) as usize);
            let there = read_full(source, &mut block[..size], at).map_err(OpenError::Io)?;
            if there == 0 {
                break;
            }
            DiskFile::write_at(&file, &block[..there], at).map_err(|error| self.target(error))?;
            at += there as u64;
        }
        file.sync_all().map_err(|error| self.target(error))?;
        Ok(Some(Taken { base, summary: walked.contents.summary, is_linked: false }))
    }

    fn create(&self, name: &str) -> Result<File, BackupError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        options.open(self.to.join(name)).map_err(|error| self.target(error))
    }

    fn target(&self, error: io::Error) -> BackupError {
        BackupError::Target { to: self.to.to_owned(), error }
    }
}
