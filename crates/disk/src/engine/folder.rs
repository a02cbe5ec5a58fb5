//! The directory of a log: who owns it, who else may write to it, what its file system promises.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access, statfs, statvfs},
    process::geteuid,
};

use crate::recovery::LOCK;

/// Why a directory is not one for a log.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The gateway may not write there.
    #[error(
        "log.path: cannot write to {path}: {error}; give the directory to the user that the \
         gateway runs as, or keep the log in memory with TRICAST__LOG__ENGINE=memory and no \
         log.path"
    )]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is a file, or something else.
    #[error("log.path: {0} is not a directory; name one that the log has for itself")]
    NotDirectory(PathBuf),
    /// It belongs to another user.
    #[error(
        "log.path: {path} belongs to the user {owner}, and the gateway runs as {user}; \
         run `chown {user} {path}`, or name another directory"
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
        /// The number of the gateway's user.
        user: u32,
    },
    /// Others may write to it.
    #[error("log.path: others may write to {path} (mode {mode:o}); run `chmod 700 {path}`")]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// What is known of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The bytes that are free on its file system for this user.
    pub room: u64,
    /// The bytes of the log that is there.
    pub used: u64,
    /// The kind of its file system, if that is one that does not promise what a log needs.
    pub doubtful: Option<&'static str>,
}

/// Looks at the directory of a log, and changes nothing.
///
/// # Errors
/// See [`FolderError`].
pub fn look(path: &Path) -> Result<Folder, FolderError> {
    let denied = |error: io::Error| FolderError::NotWritable { path: path.to_owned(), error };
    let existing = match fs::metadata(path) {
        Ok(metadata) => {
            check(path, &metadata)?;
            path
        }
        // It is made at the start.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let there = path.ancestors().skip(1).find(|it| it.exists());
            there.unwrap_or(Path::new("."))
        }
        Err(error) => return Err(denied(error)),
    };
    let may = access(existing, Access::WRITE_OK | Access::EXEC_OK);
    may.map_err(|error| denied(error.into()))?;
    let of = statvfs(existing).map_err(|error| denied(error.into()))?;
    let kind = statfs(existing).map_err(|error| denied(error.into()))?.f_type;
    let room = of.f_bavail.saturating_mul(of.f_frsize);
    Ok(Folder { room, used: used(path), doubtful: doubtful(kind as u64 & 0xffff_ffff) })
}

/// Whether a process has the log of a directory open for writing.
pub fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path.join(LOCK)) else { return false };
    let is_locked = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    // A process that is being started by another thread may have its descriptor.
    let _ = file.unlock();
    is_locked
}

/// Makes the directory if it is missing, and checks it.
pub(super) fn prepare(path: &Path) -> Result<(), FolderError> {
    let denied = |error: io::Error| FolderError::NotWritable { path: path.to_owned(), error };
    if !path.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(denied)?;
        // Whatever the umask is.
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(denied)?;
    }
    check(path, &fs::metadata(path).map_err(denied)?)?;
    access(path, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| denied(error.into()))
}

fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), FolderError> {
    if !metadata.is_dir() {
        return Err(FolderError::NotDirectory(path.to_owned()));
    }
    let (owner, user) = (metadata.uid(), geteuid().as_raw());
    if owner != user {
        return Err(FolderError::Owner { path: path.to_owned(), owner, user });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    match mode & 0o022 {
        0 => Ok(()),
        _ => Err(FolderError::Open { path: path.to_owned(), mode }),
    }
}

/// The bytes of what is there.
fn used(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let blocks = |entry: io::Result<fs::DirEntry>| Some(entry.ok()?.metadata().ok()?.blocks());
    entries.filter_map(blocks).sum::<u64>() * 512
}

/// The name of a file system on which locks or syncs promise little, or that ends with the machine.
fn doubtful(kind: u64) -> Option<&'static str> {
    Some(match kind {
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0xff53_4d42 | 0xfe53_4d42 => "cifs",
        0x0102_1997 => "9p",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_looked_at_and_only_then_made() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("a/b");
        assert_eq!(look(&path).expect("can be made").used, 0);
        assert!(!parent.path().join("a").exists());
        prepare(&path).expect("is made");
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o700);
        prepare(&path).expect("is there");
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        for (mode, fits) in [(0o700, true), (0o755, true), (0o770, false), (0o707, false)] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).expect("its owner");
            assert_eq!(look(folder.path()).is_ok(), fits, "{mode:o}");
            assert_eq!(prepare(folder.path()).is_ok(), fits, "{mode:o}");
        }
    }

    #[test]
    fn a_log_is_locked_while_a_process_has_it() {
        use crate::disk::{Disk as _, real::RealDisk};
        let folder = tempfile::tempdir().expect("a directory");
        assert!(!is_locked(folder.path()), "there is no log");
        let lock = RealDisk::open(folder.path()).expect("opens").lock(LOCK).expect("is free");
        assert!(is_locked(folder.path()));
        drop(lock);
        assert!(!is_locked(folder.path()));
    }

    #[test]
    fn a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(matches!(look(file.path()), Err(FolderError::NotDirectory(_))));
    }
}
