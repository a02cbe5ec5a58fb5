//! History: reading a channel without subscribing to it.

use std::sync::Arc;

use crate::{
    ChannelName, Gap, Message, MessageId, ReadLimit, Start,
    log::{
        channel_cursor::ChannelCursor,
        cursor::Cursor,
        read::{ItemKind, Progress},
        table::Table,
    },
};

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

impl History {
    /// Reads `channel` from `start` on, up to `limit`.
    pub(super) fn read(
        table: &Table,
        channel: &ChannelName,
        start: Start,
        limit: ReadLimit,
    ) -> Self {
        let Some(slot) = table.find(channel) else {
            let gap = start.gap_below(table.head(), channel, table.floor(channel));
            return Self { id: table.head(), gap, messages: Vec::new(), more: false };
        };
        let resolved = start.resolve(table, &[slot]);
        let channel_cursor = ChannelCursor::new(slot, resolved.positions[0], true, table.watermark);
        let mut cursor = Cursor::new(resolved.position, vec![channel_cursor]);
        let mut items = Vec::new();
        let more = cursor.read(table, None, limit, &mut items) == Progress::More;
        let id = table.id(cursor.position);
        let unknown = || Gap::unknown(table.id(resolved.position), channel.clone());
        let gap = resolved.is_foreign().then(unknown);
        let mut history = Self { id, gap, messages: Vec::new(), more };
        for item in items {
            match item.kind {
                ItemKind::Message(message) => history.messages.push(message),
                ItemKind::Gap(gap, _) => history.gap = Some(gap),
            }
        }
        history
    }
}
