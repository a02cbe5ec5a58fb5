//! Room on a full disk: the ballast, a file that is given up so that `meta` and recovery can write.

use std::io;

use crate::disk::{Disk, is_full};

/// The name of the ballast.
pub(crate) const BALLAST: &str = "ballast";

/// Does `write`, and once more without the ballast if there is no room.
pub(crate) fn with_ballast<T>(
    disk: &dyn Disk,
    mut write: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    match write() {
        Err(error) if is_full(&error) && disk.remove(BALLAST).is_ok() => {
            disk.sync_names()?;
            write()
        }
        done => done,
    }
}

/// Makes the ballast where there is none, if there is room.
pub(crate) fn make_ballast(disk: &dyn Disk, bytes: u64) -> io::Result<()> {
    let file = match disk.create(BALLAST) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if is_full(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    let block = [0x42; 64 << 10];
    let mut at = 0;
    while at < bytes {
        let size = block.len().min((bytes - at) as usize);
        match file.write_at(&block[..size], at) {
            Err(error) if is_full(&error) => return disk.remove(BALLAST),
            written => written?,
        }
        at += size as u64;
    }
    Ok(())
}

/// The name, before `.tmp`, of a file that is made to see whether there is room.
pub(crate) const TRIAL: &str = "room";

/// Whether there is room for a batch of records.
pub(crate) fn has_room(disk: &dyn Disk) -> bool {
    let name = format!("{TRIAL}.tmp");
    let written = disk.create(&name).and_then(|file| file.write_at(&[0x42; 64 << 10], 0));
    // Left over from a life that ended in between, it is removed now.
    let removed = disk.remove(&name);
    written.is_ok() && removed.is_ok()
}
