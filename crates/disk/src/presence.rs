//! What the caller keeps of who is online, from a clean end to the next start and no longer.

use std::io;

use tricast_core::Seq;

use crate::{
    disk::{self, Disk, read_all, remove_if_there},
    error::{AppendError, Failed},
    room,
    store::Store,
};

/// The name of the file.
pub(crate) const PRESENCE: &str = "presence";
const MAGIC: &[u8; 8] = b"tricprs1";
/// Magic, the seq at which the next life begins, checksum.
const HEAD: usize = 8 + 8 + 4;

impl Store {
    /// Keeps `content` for the next life, which gets it only if this one is closed before another
    /// seq is given.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn keep_presence(&self, content: &[u8]) -> Result<(), AppendError> {
        Failed::check(&self.shared)?;
        let begin = (self.head + 1).to_le_bytes();
        let sum = crc32c::crc32c_append(crc32c::crc32c(&begin), content).to_le_bytes();
        let bytes = [&MAGIC[..], &begin, &sum, content].concat();
        let disk = &*self.shared.disk;
        let replace = || disk::replace(disk, PRESENCE, &bytes);
        room::with_ballast(disk, replace).map_err(|error| self.explain(&error))
    }
}

/// What the last life kept for this one.
pub(crate) fn read(disk: &dyn Disk, begin: Seq) -> io::Result<Option<Vec<u8>>> {
    let bytes = match disk.open(PRESENCE) {
        Ok(file) => read_all(&*file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some((head, content)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
    let of = begin.to_le_bytes();
    let sum = crc32c::crc32c_append(crc32c::crc32c(&of), content).to_le_bytes();
    let valid = head[..8] == *MAGIC && head[8..16] == of && head[16..] == sum;
    Ok(valid.then(|| content.to_vec()))
}

/// Removes what the last life kept: it is not true any more.
pub(crate) fn remove(disk: &dyn Disk) -> io::Result<()> {
    remove_if_there(disk, PRESENCE)
}
