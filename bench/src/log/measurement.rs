//! What every part of this measurement is given, and what it comes to.

use std::path::PathBuf;

use anyhow::Context as _;
use indicatif::ProgressBar;

use crate::goal::Goal;

/// What each part needs.
pub(super) struct Measurement<'b> {
    pub(super) rounds: usize,
    pub(super) folder: PathBuf,
    pub(super) bar: &'b ProgressBar,
}

/// What a part has found: a table, and what is asked of it.
pub(super) struct Outcome {
    pub(super) text: String,
    pub(super) goals: Vec<Goal>,
}

impl Measurement<'_> {
    /// Makes an empty folder, which is removed when it is dropped.
    pub(super) fn empty_folder(&self) -> anyhow::Result<tempfile::TempDir> {
        let made = tempfile::Builder::new().prefix("tricast-log-").tempdir_in(&self.folder);
        made.with_context(|| format!("no folder can be made in {}", self.folder.display()))
    }

    /// Shows what is measured now.
    pub(super) fn shows(&self, round: usize, what: &str) {
        self.bar.set_prefix(format!("{}/{} {what}", round + 1, self.rounds));
    }
}
