//! The result of one call of a session.

use std::time::Instant;

use crate::CloseReason;

/// What to do after [`Session::collect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write what was collected, then call again.
    More,
    /// The same, and nothing had been said for a whole period: a good time to look whether the
    /// reader is still there. There may be nothing to write.
    Heartbeat,
    /// Nothing to write; call again when woken, or at this time.
    Wait(Instant),
    /// Write what was collected, then end the stream.
    End(CloseReason),
}
