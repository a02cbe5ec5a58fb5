//! A folder of the machine's file system.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Disk, DiskFile, Lock};

/// A folder of the machine's file system.
pub struct RealDisk {
    folder: PathBuf,
    /// Whether files are opened for reading alone, and nothing can be changed.
    is_read_only: bool,
    /// Kept open: names are synced through it.
    handle: File,
}

impl RealDisk {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// If the folder cannot be opened.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let handle = File::open(folder)?;
        Ok(Self { folder: folder.to_owned(), is_read_only: false, handle })
    }

    /// Opens a folder that exists, only to look at it.
    ///
    /// # Errors
    /// If the folder cannot be opened.
    pub fn open_to_look(folder: &Path) -> io::Result<Self> {
        Ok(Self { is_read_only: true, ..Self::open(folder)? })
    }

    /// Refuses a change of a folder that is only looked at.
    fn changes(&self) -> io::Result<()> {
        match self.is_read_only {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(()),
        }
    }

    fn open_file(&self, name: &str, options: &OpenOptions) -> io::Result<File> {
        options.open(self.folder.join(name))
    }
}

/// Readable and writable by its owner, whatever the process's umask.
fn create_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn make_private(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// The locked file. It is unlocked explicitly: a process that is being started by another thread
/// has its descriptor until it runs its program, and closing ours would leave the lock to it.
struct HeldLock(File);

impl Drop for HeldLock {
    fn drop(&mut self) {
        // The lock goes with the last descriptor in any case.
        let _ = self.0.unlock();
    }
}

impl Disk for RealDisk {
    fn lock(&self, name: &str) -> io::Result<Lock> {
        self.changes()?;
        let file = self.open_file(name, create_options().create(true))?;
        make_private(&file)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock::new(file.metadata()?.ino(), HeldLock(file))),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.changes()?;
        let file = self.open_file(name, create_options().create_new(true))?;
        make_private(&file)?;
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.open_file(name, OpenOptions::new().read(true).write(!self.is_read_only))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.changes()?;
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.changes()?;
        fs::remove_file(self.folder.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.folder)?;
        names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync_names(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, into, at)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
