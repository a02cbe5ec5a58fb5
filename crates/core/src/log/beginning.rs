//! The beginning of a log, or of another epoch of it.

use crate::{Epoch, Extent, Seq};

/// What an engine says when a log begins, and when its epoch changes.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The epoch of the ids from now on.
    pub epoch: Epoch,
    /// Earlier epochs whose ids still resume, each up to and including a seq.
    pub lineage: Vec<(Epoch, Seq)>,
    /// Messages up to here are in no ring. The engine makes those above it visible next.
    pub after: Seq,
    /// The highest seq that may have been issued; the same as `after` if nothing is made visible.
    pub head: Seq,
    /// What the engine stores below the rings; `None` if it stores nothing.
    pub extent: Option<Extent>,
}
