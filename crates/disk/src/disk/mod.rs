//! What the log needs of a file system, so that tests can take its place with a disk that fails.

pub mod real;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;

use std::{io, sync::Arc};

/// One folder of files, the log's own.
pub trait Disk: Send + Sync {
    /// Takes the lock of the folder, and holds it until the answer is dropped.
    ///
    /// # Errors
    /// `WouldBlock` if another process has the lock.
    fn lock(&self, name: &str) -> io::Result<Lock>;

    /// Makes an empty file, readable by its owner alone.
    ///
    /// # Errors
    /// If the file exists, or as the file system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, or as the file system says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in the place of the file that has this name.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Lists the names of all files.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_names(&self) -> io::Result<()>;
}

/// An open file. Reads and writes have their position with them, so threads can share a file.
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes` at `at`.
    ///
    /// # Errors
    /// As the file system says; a part may have been written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Reads up to the length of `into` at `at`, and returns how many bytes were read: 0 only at
    /// the end of the file.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file, or lengthens it with zeros that take no room.
    ///
    /// # Errors
    /// As the file system says.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// # Errors
    /// As the file system says. What was written before an error may be lost, even if a later
    /// call succeeds.
    fn sync(&self) -> io::Result<()>;
}

/// The lock of a folder, held until this is dropped.
pub struct Lock {
    /// The number of the lock's file in its file system: a copy of the folder has another one.
    pub inode: u64,
    _held: Box<dyn std::any::Any + Send + Sync>,
}

impl Lock {
    /// Makes a lock that is released when `held` is dropped.
    pub fn new(inode: u64, held: impl std::any::Any + Send + Sync) -> Self {
        Self { inode, _held: Box::new(held) }
    }
}

/// Fills `into` from `at`, and returns how many bytes there were before the end of the file.
pub(crate) fn read_full(file: &dyn DiskFile, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], at + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads a whole small file.
pub(crate) fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.length()?).map_err(io::Error::other)?];
    let there = read_full(file, &mut bytes, 0)?;
    bytes.truncate(there);
    Ok(bytes)
}

/// Puts `bytes` in the place of the file `name`, so that after a crash there is the old or the new
/// content and never a part.
pub(crate) fn replace(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    match disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&temporary)?;
    let written =
        file.write_at(bytes, 0).and_then(|()| match crate::planted::MetaNotSynced.is_on() {
            true => Ok(()),
            false => file.sync(),
        });
    if let Err(error) = written {
        // What is half written must not take the room that the disk lacks.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.rename(&temporary, name)?;
    disk.sync_names()
}

/// Removes a file, if it is there.
pub(crate) fn remove_if_there(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if is_full(&error) => Err(io::Error::other(error)),
        removed => removed,
    }
}

/// Whether an error says that there is no room, which passes.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
