//! One channel: its ring buffer, its subscribers, and their wakers.

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
    /// The users present, where the channel has presence.
    pub(crate) presence: Option<Box<Presence>>,
    pub(crate) wakers: Arc<WakerSet>,
    /// One cursor for each shard that has subscribers here.
    pub(crate) shard_cursors: ShardCursors,
    /// The seq of the channel's last message, if that message ended it.
    pub(crate) ended: Option<Seq>,
    /// Whether `ended` is right. It is not for a channel with messages from before the start, of
    /// which nobody has asked the engine yet.
    pub(crate) knows_end: bool,
    /// Its messages up to here are erased; 0 if none are.
    pub(crate) erased: Seq,
    /// Readers that are about to join, and updates that are about to be applied.
    pub(crate) pins: u32,
    /// Distinguishes this channel from a later one in the same slot.
    pub(crate) serial: u64,
    /// Whether the channel is in the table's queue of idle channels.
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
            knows_end: before.floor.certain,
            erased: 0,
            pins: 0,
            serial,
            in_idle_queue: false,
        }
    }

    /// Returns the number of users online, where readers may see it.
    pub(crate) fn visible_users(&self) -> Option<u32> {
        self.rules.online.then(|| self.roster.online().total.users)
    }

    pub(crate) fn has_subscribers(&self) -> bool {
        self.pins > 0 || self.roster.online().total.connections > 0
    }

    /// Whether the presence channel has announced users. Until it has announced their departure,
    /// the channel must not be forgotten.
    pub(crate) fn has_announced_users(&self) -> bool {
        self.presence.as_ref().is_some_and(|presence| !presence.has_nobody_announced())
    }

    /// Whether the channel has no message, subscriber or announced user, so that only its tombstone
    /// is worth keeping.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty() && !self.has_subscribers() && !self.has_announced_users()
    }

    /// Whether a reader at `position` has read the channel's end. An end marker is void once a
    /// later message has been published.
    pub(crate) fn has_ended_at(&self, position: Seq) -> bool {
        self.ended.is_some_and(|end| end <= position)
    }

    pub(crate) fn tombstone(&self) -> Tombstone {
        Tombstone { floor: self.ring.floor(), ended: self.ended }
    }
}
