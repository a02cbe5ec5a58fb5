//! A file that is replaced as a whole or not at all.

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

/// The mode of a new file, before the umask.
const NEW_FILE_MODE: u32 = 0o666;

/// The mode of the new contents until they have the mode of the file: nobody else may read them in
/// between.
const STAGING_MODE: u32 = 0o600;

/// How long to wait for other processes that replace files in the same folder.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The attribute that holds an access control list (`acl(5)`).
const ACL: &str = "system.posix_acl_access";

/// A file to replace, with a lock on its folder: others that replace files in this way wait
/// for it.
///
/// The lock does not stop other programs from writing to the file itself.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    /// The path of the file itself, with links resolved.
    path: PathBuf,
    folder: File,
    /// The file as it is; `None` if it does not exist.
    before: Option<File>,
}

/// New contents on the disk, in a temporary file beside the one that they will replace.
#[derive(Debug)]
pub(crate) struct Staged {
    file: AtomicFile,
    new: NamedTempFile,
}

impl AtomicFile {
    /// Opens the file at `path`, after waiting for others that replace files in the same folder.
    ///
    /// # Errors
    /// When the folder cannot be read or stays locked, when `path` is not a regular file, or when
    /// the file has other names (hard links), which would keep the old contents.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let path = match path.canonicalize() {
            Ok(path) => path,
            // A dangling link would be replaced by a file.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
                std::path::absolute(path).with_context(named)?
            }
            Err(error) => return Err(error).with_context(named),
        };
        let folder =
            path.parent().context("this is a folder; name a file in it").with_context(named)?;
        let folder = File::open(folder).with_context(|| folder.display().to_string())?;
        lock(&folder).with_context(named)?;
        let kind = fs::metadata(&path).map(|metadata| (metadata.is_file(), metadata.nlink()));
        let before = match kind {
            Ok((true, 1)) => Some(File::open(&path).with_context(named)?),
            Ok((true, _)) => anyhow::bail!(
                "{}: this file has other names (hard links), which would keep the old contents; \
                 replace it with a copy first",
                named()
            ),
            Ok((false, _)) => anyhow::bail!("{}: this is not a regular file", named()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(named),
        };
        Ok(Self { path, folder, before })
    }

    /// Whether the file exists.
    pub(crate) fn exists(&self) -> bool {
        self.before.is_some()
    }

    /// Reads the file; returns nothing if it does not exist.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut contents = Vec::new();
        if let Some(file) = &mut self.before {
            file.read_to_end(&mut contents).with_context(|| self.path.display().to_string())?;
        }
        Ok(contents)
    }

    /// Writes `contents` beside the file, with the file's owner, mode and access control list.
    ///
    /// # Errors
    /// When the disk is full, or the folder or the owner cannot be changed. The file is unchanged.
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
            copy_ownership(new.as_file(), before).with_context(|| {
                format!(
                    "cannot keep owner, mode and access control list of {path}; run this as \
                         its owner, or as root"
                )
            })?;
        }
        new.write_all(contents).with_context(|| format!("cannot write {path}"))?;
        new.as_file().sync_all().with_context(|| format!("cannot write {path}"))?;
        Ok(Staged { file: self, new })
    }
}

impl Staged {
    /// Replaces the old contents with the new ones. Another process, also after a crash, reads
    /// either the old contents or the new ones.
    ///
    /// # Errors
    /// When the folder cannot be changed. The file is then unchanged.
    pub(crate) fn commit(self) -> anyhow::Result<()> {
        let path = self.file.path.display();
        self.new.persist(&self.file.path).with_context(|| format!("cannot replace {path}"))?;
        // The new name is durable once the folder is.
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
                "another program holds a lock on its folder; try again when it has finished"
            ),
        }
    }
}

/// Gives `new` the owner, the mode and the access control list of `before`.
fn copy_ownership(new: &File, before: &File) -> io::Result<()> {
    let (own, wanted) = (new.metadata()?, before.metadata()?);
    if (own.uid(), own.gid()) != (wanted.uid(), wanted.gid()) {
        fchown(new, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    // After the owner, because a change of owner clears some of the mode's bits.
    new.set_permissions(wanted.permissions())?;
    // The kernel allows at most 64 KiB.
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

    /// New contents of a private file are private too, while they wait.
    #[test]
    fn a_staged_file_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "a secret").expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file");
        let staged = AtomicFile::open(&file).expect("is a file").stage(b"another").expect("writes");
        let mode = staged.new.as_file().metadata().expect("is there").mode();
        assert_eq!(mode & 0o777, 0o600);
        // Staged contents that are dropped leave everything unchanged.
        drop(staged);
        assert_eq!(fs::read(&file).expect("reads"), b"a secret");
        assert_eq!(fs::read_dir(folder.path()).expect("is there").count(), 1);
    }

    /// The list of `setfacl -m u:65534:r` with mode 600, as the kernel stores it (`acl(5)`): the
    /// version, then the tag, the rights and the id of each entry.
    #[test]
    fn an_access_list_stays() {
        const LIST: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xfe\xff\0\0\
                              \x04\0\0\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\
                              \x20\0\0\0\xff\xff\xff\xff";
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
