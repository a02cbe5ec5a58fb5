//! Folds: what a late reader gets in place of the messages that it has missed.
//!
//! Some messages are parts of one whole, such as the deltas of an answer. A reader that has the
//! whole so far needs none of the parts, so parts may leave a ring early: they are *covered* by the
//! fold. A reader that has missed covered parts is sent one snapshot of what is under way, in their
//! place and in the same order, and is told no gap.
//!
//! ```text
//! begin   an ordinary message; opens a fold of its channel
//! add     a part: leaves the ring first, and is merged into its fold then
//! end     an ordinary message, which carries the whole; closes the fold
//! ```
//!
//! The log knows which part belongs to which fold, and what a fold covers. How parts add up, and
//! how a snapshot is spelled, is the business of a [`FoldKind`](crate::FoldKind). Nothing is
//! parsed, merged or encoded under the log's lock.

pub(crate) mod kind;
pub(crate) mod open;
pub(crate) mod part;
pub(crate) mod snapshot;
