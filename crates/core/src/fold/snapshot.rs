//! A snapshot of what is under way in a channel.

use std::sync::{Arc, OnceLock};

use crate::{
    ChannelName, Draft, Message, MessageId, Stored, Whole, clock, fold::kind::FoldKind,
    message::memory::MemoryBudget,
};

/// One fold in a snapshot.
#[derive(Debug)]
pub(crate) struct Under {
    pub(super) whole: Option<Whole>,
    pub(super) rest: Vec<Arc<Message>>,
}

impl Under {
    /// Returns all of it as one. Not to be called while the log is locked.
    pub(crate) fn merge(&self, kind: &dyn FoldKind) -> Whole {
        match (&self.whole, &self.rest[..]) {
            (Some(whole), []) => whole.clone(),
            (whole, rest) => kind.merge(whole.as_ref(), rest),
        }
    }

    /// Whether there is something beside the message that begins the fold.
    pub(super) fn has_parts(&self) -> bool {
        self.whole.is_some() || self.rest.len() > 1
    }
}

/// A snapshot of all open folds of a channel, at a seq: no part up to it is needed, and each part
/// above it adds to the snapshot. It is spelled when the first reader needs it, and shared.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: MessageId,
    channel: ChannelName,
    folds: Vec<Under>,
    kind: Arc<dyn FoldKind>,
    memory: Arc<MemoryBudget>,
    message: OnceLock<Arc<Message>>,
}

impl Snapshot {
    pub(crate) fn new(
        id: MessageId,
        channel: ChannelName,
        folds: Vec<Under>,
        kind: Arc<dyn FoldKind>,
        memory: Arc<MemoryBudget>,
    ) -> Self {
        Self { id, channel, folds, kind, memory, message: OnceLock::new() }
    }

    /// Returns the snapshot as a message. Not to be called while the log is locked.
    pub(crate) fn message(&self) -> &Arc<Message> {
        self.message.get_or_init(|| {
            let merge = |fold: &Under| fold.merge(&*self.kind);
            let wholes: Vec<Whole> = self.folds.iter().map(merge).collect();
            let (event, data) = self.kind.snapshot(&wholes);
            let draft = Draft::new(self.channel.clone(), data).with_event(event);
            let (seq, time) = (self.id.seq, clock::unix_millis());
            let stored = Stored { seq, time, online: None, draft };
            Arc::new(Message::new(self.id.epoch, stored, None, &self.memory))
        })
    }
}
