//! Looking without subscribing: what a channel holds, how many are there and who, as documents.

use serde::Serialize;

use crate::{
    ChannelName, Count, Kind, MessageId, OnlineCounts, PerWire, Problem, UserId, log::table::Table,
    presence::PresentUser,
};

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
