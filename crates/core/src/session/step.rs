//! The result of one call of a session.

use std::time::Instant;

use crate::CloseReason;

/// The action that the caller of [`Session::collect`](crate::Session::collect) has to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write what was collected, then call again.
    More,
    /// Write what was collected, if anything, then call again. Nothing was sent for a whole
    /// heartbeat period, so this is a good time to check that the reader is still connected.
    Heartbeat,
    /// Write nothing; call again when woken, or at this time.
    Wait(Instant),
    /// The next messages come from the engine's store. Write nothing; call again when woken, or at
    /// this time. Until then no new message can be sent.
    Fetch(Instant),
    /// Write what was collected, then end the stream.
    End(CloseReason),
}
