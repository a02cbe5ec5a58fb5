//! The process that has a log open, found without touching the lock: a process that tries the lock,
//! however briefly, can keep a gateway from starting.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::fs::{major, minor};

use crate::recovery::LOCK;

/// Returns the process that has the log in `folder` open. Nothing is also the answer if the system
/// does not say: a process outside of this container, for example, is not seen.
///
/// # Errors
/// If the lock's file is there and cannot be looked at.
pub fn holder(folder: &Path) -> io::Result<Option<u32>> {
    let metadata = match fs::metadata(folder.join(LOCK)) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let device = metadata.dev();
    let file = format!("{:02x}:{:02x}:{}", major(device), minor(device), metadata.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    Ok(locks.lines().find_map(|line| process_in(line, &file)))
}

/// The process of a line of `/proc/locks`, if the line says that it has the file locked.
fn process_in(line: &str, file: &str) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [_, "FLOCK", _, "WRITE", process, of, ..] if of == file => process.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_seen_and_one_that_is_waited_for_is_not() {
        let held = "7: FLOCK  ADVISORY  WRITE 1754 fe:00:7659522 0 EOF";
        assert_eq!(process_in(held, "fe:00:7659522"), Some(1754));
        assert_eq!(process_in(held, "fe:00:765952"), None);
        let waits = "7: -> FLOCK  ADVISORY  WRITE 1755 fe:00:7659522 0 EOF";
        assert_eq!(process_in(waits, "fe:00:7659522"), None);
        let range = "8: POSIX  ADVISORY  WRITE 12 fe:00:7659522 0 EOF";
        assert_eq!(process_in(range, "fe:00:7659522"), None);
    }

    #[test]
    fn a_log_that_nobody_has_open_has_no_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(holder(folder.path()).expect("can be looked at"), None);
        let lock = fs::File::create(folder.path().join(LOCK)).expect("is made");
        assert_eq!(holder(folder.path()).expect("can be looked at"), None);
        lock.lock().expect("is locked");
        assert_eq!(holder(folder.path()).expect("can be looked at"), Some(std::process::id()));
        lock.unlock().expect("is unlocked");
        assert_eq!(holder(folder.path()).expect("can be looked at"), None);
    }
}
