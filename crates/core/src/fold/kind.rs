//! How the parts of a fold add up.

use std::{any::Any, fmt::Debug, sync::Arc};

use crate::{Data, Draft, EventName, Message, Part};

/// A kind of folds: recognises their messages, adds them up, and spells snapshots.
pub trait FoldKind: Debug + Send + Sync + 'static {
    /// Returns what `draft` does to a fold; `None` for an ordinary message. Called for messages
    /// whose event is [internal](EventName::is_internal), before the log's lock is taken, unless
    /// the publisher has [set the part](Draft::with_part).
    fn part(&self, draft: &Draft) -> Option<Part>;

    /// Whether `draft` adds to a fold, by its event alone.
    fn is_add(&self, draft: &Draft) -> bool;

    /// Adds messages to a whole: the first of them begins the fold if there is no whole yet, and
    /// all others add to it.
    fn merge(&self, whole: Option<&Whole>, more: &[Arc<Message>]) -> Whole;

    /// Spells a snapshot of everything that is under way in one channel.
    fn snapshot(&self, wholes: &[Whole]) -> (EventName, Data);
}

/// Whether `draft` adds to a fold of this kind, if there is one.
pub(crate) fn is_add(kind: Option<&dyn FoldKind>, draft: &Draft) -> bool {
    let is_internal = draft.event.as_ref().is_some_and(EventName::is_internal);
    is_internal && kind.is_some_and(|kind| kind.is_add(draft))
}

/// What the parts of a fold add up to.
#[derive(Clone, Debug)]
pub struct Whole {
    /// As the [`FoldKind`] keeps it.
    pub value: Arc<dyn Any + Send + Sync>,
    /// The memory that it occupies, in bytes.
    pub bytes: usize,
}
