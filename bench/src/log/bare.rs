//! The lower bound: a program that does nothing but write bytes to a file and sync them.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// As long as the longest segment of a log.
const LENGTH: u64 = 64 << 20;

/// A file whose length is set ahead, as that of a segment is: that makes a sync cheaper.
pub(super) struct BareFile {
    file: File,
    at: u64,
}

impl BareFile {
    pub(super) fn new(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("bare");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.set_len(LENGTH)?;
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    /// Writes `bytes` after those before and syncs them; returns how long that took.
    pub(super) fn append(&mut self, bytes: &[u8]) -> anyhow::Result<Duration> {
        if self.at + bytes.len() as u64 > LENGTH {
            self.file.set_len(0)?;
            self.file.set_len(LENGTH)?;
            self.file.sync_all()?;
            self.at = 0;
        }
        let begin = Instant::now();
        self.file.write_all_at(bytes, self.at)?;
        self.file.sync_data()?;
        self.at += bytes.len() as u64;
        Ok(begin.elapsed())
    }
}
