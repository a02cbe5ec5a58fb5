//! One channel: its part of the log, and who listens.

use std::sync::Arc;

use crate::{
    ChannelName, ChannelRules, Seq,
    log::{counts::Roster, ring::Ring, tombstones::Tombstone},
    notify::{shard::ShardCursors, waker::WakerSet},
    presence::Presence,
};

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    pub(crate) rules: Arc<ChannelRules>,
    pub(crate) ring: Ring,
    pub(crate) roster: Roster,
    /// Who is there by name, where that is told.
    pub(crate) presence: Option<Box<Presence>>,
    pub(crate) wakers: Arc<WakerSet>,
    /// Where the readers of shards stand.
    pub(crate) shard_cursors: ShardCursors,
    /// The seq of the channel's last message, if that message ended it.
    pub(crate) ended: Option<Seq>,
    /// Readers that are about to join.
    pub(crate) pins: u32,
    /// Tells this channel from another that has its slot later.
    pub(crate) serial: u64,
    /// It stands in the table's queue of channels that nobody listens to.
    pub(crate) in_idle_queue: bool,
}

impl Channel {
    pub(crate) fn new(
        name: ChannelName,
        rules: Arc<ChannelRules>,
        before: Tombstone,
        serial: u64,
    ) -> Self {
        let presence = (rules.presence && name.presence_channel().is_some()).then(Box::default);
        Self {
            name,
            rules,
            presence,
            ring: Ring::new(before.floor),
            roster: Roster::default(),
            wakers: Arc::default(),
            shard_cursors: ShardCursors::default(),
            ended: before.ended,
            pins: 0,
            serial,
            in_idle_queue: false,
        }
    }

    /// How many users listen, where that may be told.
    pub(crate) fn visible_users(&self) -> Option<u32> {
        self.rules.online.then(|| self.roster.online().total.users)
    }

    pub(crate) fn has_subscribers(&self) -> bool {
        self.pins > 0 || self.roster.online().total.connections > 0
    }

    /// Somebody was told to be there. Until that is taken back the channel has to be remembered.
    pub(crate) fn has_announced_users(&self) -> bool {
        self.presence.as_ref().is_some_and(|presence| !presence.has_nobody_announced())
    }

    /// Nobody listens and nothing is held: only a tombstone is worth keeping.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty() && !self.has_subscribers() && !self.has_announced_users()
    }

    /// Whether a reader that has dealt with everything up to `position` has read the channel's end.
    /// An end that somebody has published behind is none.
    pub(crate) fn has_ended_at(&self, position: Seq) -> bool {
        self.ended.is_some_and(|end| end <= position)
    }

    pub(crate) fn tombstone(&self) -> Tombstone {
        Tombstone { floor: self.ring.floor(), ended: self.ended }
    }
}
