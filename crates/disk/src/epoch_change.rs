//! What an operator does to a log that was moved, copied, restored or damaged.

use std::{io, sync::Arc};

use tricast_core::Epoch;

use crate::{
    channel_hash::ChannelHasher,
    config::{Config, Machine},
    disk::Disk,
    error::AppendError,
    recovery::{new_meta, take_lock},
    room,
    segment::Finder,
    store::Store,
    survey::{OpenError, read_meta, survey},
};

/// Makes a log that was moved to this machine this machine's. The original must not be used again:
/// two lives of one epoch give one id to two messages.
///
/// # Errors
/// See [`OpenError`].
pub fn adopt(disk: &dyn Disk, machine: &Machine) -> Result<(), OpenError> {
    let lock = take_lock(disk)?;
    let Some(mut meta) = read_meta(disk, &disk.list()?)? else { return Ok(()) };
    meta.machine.clone_from(&machine.id);
    meta.inode = lock.inode;
    // It may have been copied while it was written, or after a power failure.
    meta.boot = String::new();
    room::with_ballast(disk, || meta.write(disk))?;
    Ok(())
}

/// Begins a new epoch with the messages of a log that was copied or restored, or whose `meta` is
/// lost. Ids of the old epoch go on to resume up to the last message that is here.
///
/// # Errors
/// See [`OpenError`].
pub fn new_epoch(disk: Arc<dyn Disk>, config: Config, epoch: Epoch) -> Result<(), OpenError> {
    let meta = match read_meta(&*disk, &disk.list()?) {
        Err(OpenError::Meta(_) | OpenError::MetaMissing) => return rebuild(&*disk, &config, epoch),
        meta => meta?,
    };
    if meta.is_none() {
        return Ok(());
    }
    adopt(&*disk, &config.machine)?;
    let (mut store, opened) = Store::open(disk, config, || epoch)?;
    let segments = store.shared.segments();
    let last = segments.iter().map(|segment| segment.summary().last).fold(opened.floor, u64::max);
    store.meta.lineage.push((opened.epoch, last));
    store.meta.epoch = epoch;
    store.close().map_err(|error| match error {
        AppendError::Full => OpenError::Io(io::ErrorKind::StorageFull.into()),
        error => OpenError::Io(io::Error::other(error)),
    })
}

/// Makes `meta` again from the segments. The old epoch is not known, so none of its ids resumes.
fn rebuild(disk: &dyn Disk, config: &Config, epoch: Epoch) -> Result<(), OpenError> {
    let lock = take_lock(disk)?;
    let mut meta = new_meta(epoch, &config.machine, lock.inode)?;
    let finder = Finder { disk, hasher: ChannelHasher::new(&meta.key) };
    let surveyed = survey(finder, &disk.list()?)?;
    let summaries = || surveyed.iter().map(|segment| segment.summary());
    let with_records = || summaries().filter(|summary| summary.records > 0);
    meta.floor = with_records().next().map_or(0, |first| first.explains_from().max(1) - 1);
    let last = with_records().map(|summary| summary.last).fold(meta.floor, u64::max);
    let base = surveyed.iter().map(|segment| segment.base).fold(last + 1, u64::max);
    // Whatever the old epoch gave, this one's seqs are its own.
    (meta.begin, meta.explained, meta.reserved) = (base, last + 1, base - 1);
    room::with_ballast(disk, || meta.write(disk))?;
    Ok(())
}
