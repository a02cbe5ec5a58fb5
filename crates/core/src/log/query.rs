//! Looking without subscribing: what a channel holds, how many are there and who, as documents.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    ChannelName, Count, Gap, History, Kind, MessageId, OnlineCounts, PerWire, Problem, ReadLimit,
    Seq, UserId, log::table::Table, presence::PresentUser, write_document,
};

/// The most history in one answer, as it is encoded: it is held until the client has read it.
pub(super) const HISTORY_PAGE: ReadLimit = ReadLimit { messages: 1000, bytes: 1024 * 1024 };

/// The most users in one answer.
pub const PRESENCE_PAGE: usize = 1000;

/// Who is online in a channel.
#[derive(Clone, Debug, Serialize)]
pub struct OnlineReport {
    channel: ChannelName,
    #[serde(flatten)]
    total: Count,
    wires: PerWire<Count>,
}

/// Some of what is held of a channel.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryPage {
    channel: ChannelName,
    /// Where to go on.
    id: MessageId,
    gap: Option<GapDocument>,
    /// The documents, oldest first.
    messages: Box<RawValue>,
    /// There is more behind `id`.
    more: bool,
}

#[derive(Clone, Debug, Serialize)]
struct GapDocument {
    first: Option<Seq>,
    last: Option<Seq>,
    certain: bool,
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

impl Problem for PresenceOff {
    fn kind(&self) -> Kind {
        Kind::PresenceOff
    }
}

/// A channel whose namespace tells nobody who is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the namespace of {0} tells nobody how many listen (online = false)")]
pub struct OnlineHidden(pub(crate) ChannelName);

impl Problem for OnlineHidden {
    fn kind(&self) -> Kind {
        Kind::OnlineHidden
    }
}

impl OnlineReport {
    pub(super) fn new(channel: ChannelName, online: OnlineCounts) -> Self {
        Self { channel, total: online.total, wires: online.wires }
    }
}

impl PresencePage {
    /// Up to `limit` users of `channel` after `after`.
    pub(super) fn read(
        table: &Table,
        channel: ChannelName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Self {
        let id = table.head();
        let slot = table.find(&channel);
        let presence = slot.and_then(|slot| table.slots[slot].presence.as_ref());
        let Some(presence) = presence else {
            return Self { channel, id, users: Vec::new(), anonymous: 0, more: false };
        };
        let mut rest = presence.announced_after(after);
        let users = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let anonymous = presence.anonymous_announced();
        Self { channel, id, users, anonymous, more }
    }
}

impl HistoryPage {
    /// The documents of what was read of `channel`: no more than 1 MiB of them, but for a first one
    /// that is larger. A byte of data may take six of them.
    pub(super) fn new(channel: ChannelName, mut history: History) -> Self {
        let lost =
            |gap: Gap| GapDocument { first: gap.first, last: gap.last, certain: gap.certain };
        let mut documents = vec![b'['];
        let mut last = None;
        for message in &history.messages {
            let begin = documents.len();
            // No document is shorter than its data: what cannot fit need not be spelled.
            let mut fits = begin + message.draft.data.as_bytes().len() <= HISTORY_PAGE.bytes;
            if fits || last.is_none() {
                if last.is_some() {
                    documents.push(b',');
                }
                write_document(message, &mut documents);
                fits = documents.len() < HISTORY_PAGE.bytes || last.is_none();
            }
            if !fits {
                documents.truncate(begin);
                (history.id, history.more) = (last.unwrap_or(history.id), true);
                break;
            }
            last = Some(message.id);
        }
        documents.push(b']');
        // Documents are JSON, and so is a list of them.
        let messages =
            String::from_utf8(documents).ok().and_then(|text| RawValue::from_string(text).ok());
        Self {
            channel,
            id: history.id,
            gap: history.gap.map(lost),
            messages: messages.unwrap_or_default(),
            more: history.more,
        }
    }
}
