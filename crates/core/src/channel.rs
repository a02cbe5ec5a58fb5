//! One channel: its part of the log, and who listens.

use std::sync::Arc;

use crate::{ChannelName, Seq, bell::Belfry, ring::Ring, roster::Roster, tombstones::Tombstone};

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    pub(crate) ring: Ring,
    pub(crate) roster: Roster,
    pub(crate) belfry: Arc<Belfry>,
    /// The seq of the channel's last message, if that message ended it.
    pub(crate) ended: Option<Seq>,
}

impl Channel {
    pub(crate) fn new(name: ChannelName, before: Tombstone) -> Self {
        Self {
            name,
            ring: Ring::new(before.floor),
            roster: Roster::default(),
            belfry: Arc::default(),
            ended: before.ended,
        }
    }

    pub(crate) fn has_listeners(&self) -> bool {
        self.roster.online().total.connections > 0
    }

    /// Nobody listens and nothing is held: only a tombstone is worth keeping.
    pub(crate) fn is_idle(&self) -> bool {
        self.ring.is_empty() && !self.has_listeners()
    }

    /// Whether a reader that has dealt with everything up to `position` has read the channel's end.
    /// An end that somebody has published behind is none.
    pub(crate) fn ended_by(&self, position: Seq) -> bool {
        self.ended.is_some_and(|end| end <= position)
    }

    pub(crate) fn tombstone(&self) -> Tombstone {
        Tombstone { floor: self.ring.floor(), ended: self.ended }
    }
}
