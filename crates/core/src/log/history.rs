//! History: reading a channel without subscribing to it.

use std::sync::Arc;

use crate::{Gap, Message, MessageId};

/// The part of one channel's history that one read returns.
#[derive(Debug)]
pub struct History {
    /// The position to continue from.
    pub id: MessageId,
    /// The messages that are lost.
    pub gap: Option<Gap>,
    /// The messages, oldest first.
    pub messages: Vec<Arc<Message>>,
    /// Whether there are more messages after `id`.
    pub more: bool,
}
