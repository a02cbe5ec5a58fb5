//! Queries without a subscription: the online counts and the presence of a channel, as documents.

use serde::Serialize;

use crate::{
    ChannelName, Count, Kind, MessageId, OnlineCounts, PerWire, Problem, UserId, log::table::Table,
    presence::PresentUser,
};

/// The most users in one page.
pub const PRESENCE_PAGE: usize = 1000;

/// The online counts of a channel, as a document.
#[derive(Clone, Debug, Serialize)]
pub struct OnlineReport {
    channel: ChannelName,
    #[serde(flatten)]
    total: Count,
    wires: PerWire<Count>,
}

/// A page of the users present in a channel, in order of their names.
#[derive(Clone, Debug, Serialize)]
pub struct PresencePage {
    channel: ChannelName,
    /// The position in the presence channel up to which this page is current.
    id: MessageId,
    users: Vec<PresentUser>,
    /// Clients without a user.
    anonymous: u32,
    /// Whether there are more users after the last one.
    more: bool,
}

/// The error for a channel that has no presence channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} has no presence: only channels without @ or ~ can have it, if presence = true is set in \
     their namespace or in [access]"
)]
pub struct PresenceOff(pub ChannelName);

impl Problem for PresenceOff {
    fn kind(&self) -> Kind {
        Kind::PresenceOff
    }
}

/// The error for a channel whose namespace hides its online counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the namespace of {0} hides its online counts (online = false)")]
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
    /// Returns up to `limit` users of `channel` after `after`.
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
