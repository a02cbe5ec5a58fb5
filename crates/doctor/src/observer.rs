//! Watching an examination while it runs.

use std::time::Duration;

use crate::diagnosis::Finding;

/// What an examination reports while it runs.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A check begins.
    Begins {
        /// What is checked.
        check: &'static str,
        /// The wire, if the check is about one.
        wire: Option<&'static str>,
    },
    /// A wait begins that may take this long.
    Waits(Duration),
    /// Silent streams are watched from now on, for this long.
    Watches(Duration),
    /// A check has a finding.
    Found(&'a Finding),
}
