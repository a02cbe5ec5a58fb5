//! A file that is replaced whole or not at all.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// The mode of a file that was not there, before the umask.
const MODE: u32 = 0o666;

/// A file that nobody else replaces in this way meanwhile: it holds a lock on the folder that the file is in.
///
/// Other programs that write to the file itself are not kept from it.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    /// The file itself, where the path leads by links.
    path: PathBuf,
    folder: File,
    /// `None` while there is no file.
    before: Option<Metadata>,
}

impl AtomicFile {
    /// Waits for others that replace files in the same folder.
    ///
    /// # Errors
    /// When the folder cannot be read, or there is something else than a file at `path`.
    pub(crate) fn at(path: &Path) -> anyhow::Result<Self> {
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
        folder.lock().with_context(named)?;
        let before = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(named),
        };
        let is_file = before.as_ref().is_none_or(Metadata::is_file);
        anyhow::ensure!(is_file, "{}: this is not a regular file", named());
        Ok(Self { path, folder, before })
    }

    /// Reads it; nothing if it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        match self.before {
            Some(_) => fs::read(&self.path).with_context(|| self.path.display().to_string()),
            None => Ok(Vec::new()),
        }
    }

    /// Puts `contents` in its place, with the mode and the owner of before. Who reads meanwhile, or after a crash, finds
    /// the old contents or the new.
    ///
    /// # Errors
    /// When there is no room, or the folder or the owner cannot be changed. The file is then as it was.
    pub(crate) fn replace(self, contents: &[u8]) -> anyhow::Result<()> {
        let path = self.path.display();
        let folder = self.path.parent().context("it has no folder")?;
        let mut new = tempfile::Builder::new()
            .prefix(".tricast-")
            .permissions(fs::Permissions::from_mode(MODE))
            .tempfile_in(folder)
            .with_context(|| format!("cannot write beside {path}"))?;
        new.write_all(contents).with_context(|| format!("cannot write {path}"))?;
        if let Some(before) = &self.before {
            let own = new.as_file().metadata()?;
            if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
                fchown(new.as_file(), Some(before.uid()), Some(before.gid())).with_context(
                    || format!("cannot keep the owner of {path}; do this as its owner, or as root"),
                )?;
            }
            // After the owner: a change of owner takes bits away.
            new.as_file().set_permissions(before.permissions())?;
        }
        new.as_file().sync_all().with_context(|| format!("cannot write {path}"))?;
        new.persist(&self.path).with_context(|| format!("cannot replace {path}"))?;
        // The name is on the disk when the folder is.
        self.folder.sync_all().with_context(|| format!("cannot write the folder of {path}"))
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
        let atomic = AtomicFile::at(&link).expect("is a file");
        assert_eq!(atomic.read().expect("reads"), b"old");
        atomic.replace(b"new").expect("writes");
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).expect("reads"), b"new");
        assert_eq!(fs::metadata(&file).expect("is there").mode() & 0o7777, 0o4640);
        assert_eq!(fs::read_dir(folder.path()).expect("is there").count(), 2);
    }

    #[test]
    fn what_is_not_a_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let dangling = folder.path().join("dangling");
        std::os::unix::fs::symlink("/nowhere/file", &dangling).expect("links");
        for path in [folder.path(), Path::new("/dev/null"), Path::new("/nowhere/file"), &dangling] {
            assert!(AtomicFile::at(path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn one_waits_for_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("numbers");
        let append = |number: usize| {
            let atomic = AtomicFile::at(&file).expect("is a file");
            let mut text = atomic.read().expect("reads");
            text.extend_from_slice(format!("{number}\n").as_bytes());
            atomic.replace(&text).expect("writes");
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
