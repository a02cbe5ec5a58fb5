//! Looking without subscribing: what a channel holds, how many are there and who, as documents.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    AheadOfLog, ChannelName, Count, HistorySelection, Log, Message, MessageId, ReadLimit, Start,
    UserId, Wire, log::history_page::HISTORY_PAGE, presence::PresentUser,
};

/// The most users in one answer.
pub const PRESENCE_PAGE: usize = 1000;

/// Who is online in a channel.
#[derive(Clone, Debug, Serialize)]
pub struct OnlineReport {
    channel: ChannelName,
    #[serde(flatten)]
    total: Count,
    wires: WireCounts,
}

#[derive(Clone, Debug, Serialize)]
struct WireCounts {
    sse: Count,
    chunked: Count,
    ws: Count,
}

/// Some of the users in a channel, by name.
#[derive(Clone, Debug, Serialize)]
pub struct PresencePage {
    channel: ChannelName,
    /// They are there by everything that the presence channel has told up to here.
    id: MessageId,
    users: Vec<PresentUser>,
    /// Clients without a user.
    anonymous: u32,
    /// There are more behind the last one.
    more: bool,
}

/// A channel that has no presence channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} does not tell who is there: that takes a channel without @ or ~, and presence = true in its namespace or [access]"
)]
pub struct PresenceOff(pub ChannelName);

/// A channel whose namespace tells nobody who is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the namespace of {0} tells nobody how many listen (online = false)")]
pub struct OnlineHidden(ChannelName);

impl Log {
    /// Who is online in `channel`, as a document.
    ///
    /// # Errors
    /// When nobody is told.
    pub fn online_report(&self, channel: ChannelName) -> Result<OnlineReport, OnlineHidden> {
        if !self.rules_for(&channel).online {
            return Err(OnlineHidden(channel));
        }
        let online = self.online(&channel);
        let counts_of = |wire: Wire| online.wires[wire.index()];
        let wires = WireCounts {
            sse: counts_of(Wire::Sse),
            chunked: counts_of(Wire::Chunked),
            ws: counts_of(Wire::Ws),
        };
        Ok(OnlineReport { channel, total: online.total, wires })
    }

    /// Who is in `channel`, as a document: up to `limit` users behind `after`, and where to go on listening to the
    /// presence channel, so that nothing is missed.
    ///
    /// # Errors
    /// When that is not told.
    pub fn presence_page(
        &self,
        channel: ChannelName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<PresencePage, PresenceOff> {
        if !self.has_presence_channel(&channel) {
            return Err(PresenceOff(channel));
        }
        let table = self.table.lock();
        let id = self.id(table.watermark);
        let slot = table.find(&channel);
        let presence = slot.and_then(|slot| table.slots[slot].presence.as_ref());
        let Some(presence) = presence else {
            return Ok(PresencePage { channel, id, users: Vec::new(), anonymous: 0, more: false });
        };
        let mut rest = presence.announced_after(after);
        let users = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let anonymous = presence.anonymous_announced();
        Ok(PresencePage { channel, id, users, anonymous, more })
    }

    /// One message of `channel`, if it is held.
    pub fn find_message(&self, channel: &ChannelName, id: MessageId) -> Option<Arc<Message>> {
        let before = MessageId { seq: id.seq.checked_sub(1)?, ..id };
        let one = ReadLimit { messages: 1, ..HISTORY_PAGE };
        let history = self.history(channel, Start::After(before), one).ok()?;
        history.messages.into_iter().find(|message| message.id == id)
    }

    /// Selects the messages of one page of `channel`'s history, from `start` on: at most 1,000, and
    /// at most 1 MiB of documents unless the first one is larger. A byte of data may take six bytes
    /// of its document. The page itself is written by [`HistorySelection::into_page`], once there
    /// is memory for it.
    ///
    /// # Errors
    /// When the log has not reached `start`.
    pub fn select_history(
        &self,
        channel: ChannelName,
        start: Start,
    ) -> Result<HistorySelection, AheadOfLog> {
        Ok(HistorySelection::new(self.history(&channel, start, HISTORY_PAGE)?, channel))
    }
}
