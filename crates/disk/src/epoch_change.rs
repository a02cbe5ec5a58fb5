//! What an operator does to a log that was moved, copied, restored or damaged.

use std::sync::Arc;

use tricast_core::Epoch;

use crate::{
    channel_hash::ChannelHasher,
    config::{Config, Machine},
    disk::Disk,
    meta::Meta,
    presence,
    recovery::{new_meta, take_lock},
    room,
    segment::Finder,
    survey::{OpenError, last_known, read_meta, survey},
};

/// Makes a log that was moved to this machine this machine's. The original must not be used again:
/// two lives of one epoch give one id to two messages.
///
/// # Errors
/// See [`OpenError`].
pub fn adopt(disk: &dyn Disk, machine: &Machine) -> Result<(), OpenError> {
    let lock = take_lock(disk)?;
    let Some(meta) = read_meta(disk, &disk.list()?)? else { return Ok(()) };
    let meta = of_machine(meta, machine, lock.inode);
    room::with_ballast(disk, || meta.write(disk))?;
    Ok(())
}

fn of_machine(meta: Meta, machine: &Machine, inode: u64) -> Meta {
    // It may have been copied while it was written, or after a power failure.
    Meta { machine: machine.id.clone(), inode, boot: String::new(), ..meta }
}

/// Begins a new epoch with the messages of a log that was copied or restored, or whose `meta` is
/// lost. Ids of the old epoch go on to resume up to the last message that is here. `meta` is
/// written once: a log with the old epoch never becomes this machine's on the way.
///
/// # Errors
/// See [`OpenError`].
pub fn new_epoch(disk: Arc<dyn Disk>, config: Config, epoch: Epoch) -> Result<(), OpenError> {
    let (disk, machine) = (&*disk, &config.machine);
    let lock = take_lock(disk)?;
    let names = disk.list()?;
    let meta = match read_meta(disk, &names) {
        Err(OpenError::Meta(_) | OpenError::MetaMissing) => {
            return rebuild(disk, machine, epoch, lock.inode);
        }
        meta => meta?,
    };
    let Some(meta) = meta else { return Ok(()) };
    let finder = Finder { disk, hasher: ChannelHasher::new(&meta.key) };
    let last = last_known(&survey(finder, &names)?, meta.floor);
    let mut meta = of_machine(meta, machine, lock.inode);
    meta.lineage.push((meta.epoch, last));
    meta.epoch = epoch;
    room::with_ballast(disk, || meta.write(disk))?;
    // Who was online there is not online here.
    presence::remove(disk)?;
    Ok(())
}

/// Makes `meta` again from the segments. The old epoch is not known, so none of its ids resumes.
fn rebuild(disk: &dyn Disk, machine: &Machine, epoch: Epoch, inode: u64) -> Result<(), OpenError> {
    let mut meta = new_meta(epoch, machine, inode)?;
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        DataKind, Record, Store,
        disk::simulated::{Fault, SimulatedDisk},
    };

    #[test]
    fn a_copy_never_goes_on_with_its_old_epoch_wherever_the_change_ends() {
        let config = |id: &str| {
            let machine = Machine { id: id.to_owned(), boot: "boot".to_owned() };
            Config { ballast: 4096, ..Config::for_bytes(1 << 30, machine) }
        };
        let epoch = |text: &str| text.parse::<Epoch>().expect("an epoch");
        for clean in [true, false] {
            for calls in 0.. {
                let disk = SimulatedDisk::default();
                let as_disk = || Arc::new(disk.clone());
                let open = |id: &str| Store::open(as_disk(), config(id), || epoch("e"));
                let (mut store, _) = open("one").expect("opens");
                let (name, data) = ("a".parse().expect("a name"), Bytes::from_static(b"x"));
                let record = Record::new(1, 1, name, DataKind::Text, data);
                store.append(&[record]).expect("appends");
                store.keep_presence(b"alice").expect("is kept");
                if clean {
                    store.close().expect("closes")
                } else {
                    drop(store)
                }

                disk.fail_after(calls, Fault::Error);
                let done = new_epoch(as_disk(), config("two"), epoch("f"));
                disk.heal();
                match open("two") {
                    Err(error) => assert!(matches!(error, OpenError::Foreign), "{error}"),
                    Ok((_, opened)) => {
                        assert_eq!(opened.epoch, epoch("f"), "after {calls} calls");
                        assert_eq!(opened.lineage, [(epoch("e"), 1)]);
                        assert!(done.is_err() || opened.presence.is_none(), "it is not theirs");
                    }
                }
                if done.is_ok() {
                    break;
                }
            }
        }
    }
}
