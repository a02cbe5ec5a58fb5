//! A file that is replaced whole or not at all.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::{
    fs::{XattrFlags, fgetxattr, fsetxattr},
    io::Errno,
};
use tempfile::NamedTempFile;

/// The mode of a file that was not there, before the umask.
const NEW_FILE_MODE: u32 = 0o666;

/// The mode of a file that is to take the place of another, until it has that one's: nobody else may look in between.
const STAGING_MODE: u32 = 0o600;

/// How long others that replace files in the same folder are waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The attribute that holds an access control list (`acl(5)`).
const ACL: &str = "system.posix_acl_access";

/// A file that nobody else replaces in this way meanwhile: it holds a lock on the folder that the file is in.
///
/// Other programs that write to the file itself are not kept from it.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    /// The file itself, where the path leads by links.
    path: PathBuf,
    folder: File,
    /// `None` while there is no file.
    before: Option<File>,
}

/// New contents that are on the disk, beside the file, and wait to take its place.
#[derive(Debug)]
pub(crate) struct Staged {
    file: AtomicFile,
    new: NamedTempFile,
}

impl AtomicFile {
    /// Waits for others that replace files in the same folder.
    ///
    /// # Errors
    /// When the folder cannot be read or is locked for long, or there is something else than a file at `path`, or a file with
    /// several names (hard links), the others of which would keep the old contents.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let path = match path.canonicalize() {
            Ok(path) => path,
            // A link that leads nowhere would be replaced by a file.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
                std::path::absolute(path).with_context(named)?
            }
            Err(error) => return Err(error).with_context(named),
        };
        let folder = path.parent().context("this is a folder; name a file").with_context(named)?;
        let folder = File::open(folder).with_context(|| folder.display().to_string())?;
        lock(&folder).with_context(named)?;
        let kind = fs::metadata(&path).map(|metadata| (metadata.is_file(), metadata.nlink()));
        let before = match kind {
            Ok((true, 1)) => Some(File::open(&path).with_context(named)?),
            Ok((true, _)) => anyhow::bail!(
                "{}: this file has other names (hard links), which would keep the old contents; make it a file of its own first",
                named()
            ),
            Ok((false, _)) => anyhow::bail!("{}: this is not a regular file", named()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(named),
        };
        Ok(Self { path, folder, before })
    }

    /// Whether there is a file.
    pub(crate) fn exists(&self) -> bool {
        self.before.is_some()
    }

    /// Reads it; nothing if it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut contents = Vec::new();
        if let Some(file) = &mut self.before {
            file.read_to_end(&mut contents).with_context(|| self.path.display().to_string())?;
        }
        Ok(contents)
    }

    /// Writes `contents` beside the file, with the owner, the mode and the access control list of before.
    ///
    /// # Errors
    /// When there is no room, or the folder or the owner cannot be changed. The file is as it was.
    pub(crate) fn stage(self, contents: &[u8]) -> anyhow::Result<Staged> {
        let path = self.path.display();
        let folder = self.path.parent().context("it has no folder")?;
        let mode = if self.exists() { STAGING_MODE } else { NEW_FILE_MODE };
        let mut new = tempfile::Builder::new()
            .prefix(".tricast-")
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(folder)
            .with_context(|| format!("cannot write beside {path}"))?;
        if let Some(before) = &self.before {
            copy_ownership(new.as_file(), before)
                .with_context(|| format!("cannot keep owner, mode and access list of {path}; do this as its owner, or as root"))?;
        }
        new.write_all(contents).with_context(|| format!("cannot write {path}"))?;
        new.as_file().sync_all().with_context(|| format!("cannot write {path}"))?;
        Ok(Staged { file: self, new })
    }
}

impl Staged {
    /// Puts the new contents in the place of the old. Who reads meanwhile, or after a crash, finds the one or the other.
    ///
    /// # Errors
    /// When the folder cannot be changed. The file is then as it was.
    pub(crate) fn commit(self) -> anyhow::Result<()> {
        let path = self.file.path.display();
        self.new.persist(&self.file.path).with_context(|| format!("cannot replace {path}"))?;
        // The name is on the disk when the folder is.
        self.file.folder.sync_all().with_context(|| format!("cannot write the folder of {path}"))
    }
}

fn lock(folder: &File) -> anyhow::Result<()> {
    let end = Instant::now() + LOCK_TIMEOUT;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "another program holds a lock on its folder; try again when that is done"
            ),
        }
    }
}

/// Gives `new` what the system keeps of `before` beside the contents.
fn copy_ownership(new: &File, before: &File) -> io::Result<()> {
    let (own, wanted) = (new.metadata()?, before.metadata()?);
    if (own.uid(), own.gid()) != (wanted.uid(), wanted.gid()) {
        fchown(new, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    // After the owner, because a change of owner takes bits away.
    new.set_permissions(wanted.permissions())?;
    // A list of 64 KiB at most, as the kernel has it.
    let mut list = vec![0; 64 << 10];
    match fgetxattr(before, ACL, &mut list[..]) {
        Ok(length) => Ok(fsetxattr(new, ACL, &list[..length], XattrFlags::empty())?),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_links_stay_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4640)).expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("links");
        let mut atomic = AtomicFile::open(&link).expect("is a file");
        assert_eq!(atomic.read().expect("reads"), b"old");
        atomic.stage(b"new").expect("writes").commit().expect("replaces");
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).expect("reads"), b"new");
        assert_eq!(fs::metadata(&file).expect("is there").mode() & 0o7777, 0o4640);
        assert_eq!(fs::read_dir(folder.path()).expect("is there").count(), 2);
    }

    /// What waits to take the place of a file that is nobody else's is nobody else's either.
    #[test]
    fn a_staged_file_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "a secret").expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file");
        let staged = AtomicFile::open(&file).expect("is a file").stage(b"another").expect("writes");
        let mode = staged.new.as_file().metadata().expect("is there").mode();
        assert_eq!(mode & 0o777, 0o600);
        // One that is given up leaves everything as it was.
        drop(staged);
        assert_eq!(fs::read(&file).expect("reads"), b"a secret");
        assert_eq!(fs::read_dir(folder.path()).expect("is there").count(), 1);
    }

    /// The list of `setfacl -m u:65534:r` beside mode 600, as the kernel has it (`acl(5)`): version, then tag, rights and id of each entry.
    #[test]
    fn an_access_list_stays() {
        const LIST: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xfe\xff\0\0\
                              \x04\0\0\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "old").expect("writes");
        let old = File::open(&file).expect("opens");
        fsetxattr(&old, ACL, LIST, XattrFlags::empty()).expect("this file system has access lists");
        let mode = old.metadata().expect("is there").mode();
        AtomicFile::open(&file)
            .expect("is one")
            .stage(b"new")
            .expect("writes")
            .commit()
            .expect("done");
        let new = File::open(&file).expect("opens");
        let mut list = [0; 100];
        let length = fgetxattr(&new, ACL, &mut list[..]).expect("has one");
        assert_eq!((&list[..length], new.metadata().expect("is there").mode()), (LIST, mode));
    }

    #[test]
    fn what_is_not_a_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let dangling = folder.path().join("dangling");
        std::os::unix::fs::symlink("/nowhere/file", &dangling).expect("links");
        let linked = folder.path().join("linked");
        fs::write(&linked, "").expect("writes");
        fs::hard_link(&linked, folder.path().join("other")).expect("links");
        let device = Path::new("/dev/null");
        for path in [folder.path(), device, Path::new("/nowhere/file"), &dangling, &linked] {
            assert!(AtomicFile::open(path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn writers_wait_for_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("numbers");
        let append = |number: usize| {
            let mut atomic = AtomicFile::open(&file).expect("is a file");
            let mut text = atomic.read().expect("reads");
            text.extend_from_slice(format!("{number}\n").as_bytes());
            atomic.stage(&text).expect("writes").commit().expect("replaces");
        };
        std::thread::scope(|scope| {
            for number in 0..40 {
                scope.spawn(move || append(number));
            }
        });
        let text = fs::read_to_string(&file).expect("reads");
        let mut numbers: Vec<usize> = text.lines().map(|line| line.parse().expect("one")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    }
}
