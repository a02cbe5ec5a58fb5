//! What lies below the rings: what the engine stores, what is gone, and what it has to be asked.

use crate::{
    ChannelName, ChannelRules, Locate, MessageId, NotRecovered, Seq, Start,
    log::{ring::Floor, start::LocatedChannels, table::Table},
};

impl Table {
    /// Returns the position that an id stands for, or why this log cannot resume there.
    pub(crate) fn seq_of(&self, id: MessageId) -> Result<Seq, NotRecovered> {
        if id.epoch == self.epoch {
            return if id.seq <= self.watermark { Ok(id.seq) } else { Err(NotRecovered::Foreign) };
        }
        let earlier =
            self.lineage.iter().find(|(epoch, upto)| *epoch == id.epoch && id.seq <= *upto);
        earlier.map(|_| id.seq).ok_or(NotRecovered::Epoch)
    }

    /// Whether the channel in `slot` may have lost a message above `after`.
    pub(crate) fn may_have_lost(&self, slot: usize, after: Seq) -> bool {
        let floor = self.slots[slot].ring.floor().seq;
        match &self.extent {
            Some(extent) if self.slots[slot].rules.log => extent.may_have_lost(after, floor),
            _ => floor > after,
        }
    }

    /// Returns the position before the oldest message of the channel in `slot` that is left.
    pub(crate) fn oldest_position(&self, slot: usize) -> Seq {
        let floor = self.slots[slot].ring.floor().seq;
        match &self.extent {
            Some(extent) if self.slots[slot].rules.log => extent.after.min(floor),
            _ => floor,
        }
    }

    /// Returns the floor of a channel, whether it exists or not.
    pub(crate) fn floor(&self, name: &ChannelName) -> Floor {
        match self.find(name) {
            Some(slot) => self.slots[slot].ring.floor(),
            None => self.raise_unlogged(name, self.tombstones.peek(name), &self.rules_for(name)),
        }
    }

    /// Returns the floor of a channel that is not in the table: what is not logged has nothing from
    /// before the start. Of a presence channel a checkpoint may say where it ended.
    pub(super) fn raise_unlogged(
        &self,
        name: &ChannelName,
        floor: Floor,
        rules: &ChannelRules,
    ) -> Floor {
        let is_restored = floor.certain && name.observed_channel().is_some();
        match !rules.log && !is_restored && floor.seq < self.unlogged_floor {
            true => Floor { seq: self.unlogged_floor, certain: false },
            false => floor,
        }
    }

    /// Whether the engine stores the messages of the channel in `slot` that have left its ring.
    pub(crate) fn is_stored(&self, slot: usize) -> bool {
        self.extent.is_some() && self.slots[slot].rules.log
    }

    /// Whether the engine stores the messages of a channel, in the table or not, that have left its
    /// ring.
    pub(crate) fn stores(&self, name: &ChannelName) -> bool {
        self.extent.is_some() && self.rules_for(name).log
    }

    /// Notes which channels have ended, as the engine says.
    pub(crate) fn note_ends(&mut self, slots: &[usize], located: &LocatedChannels) {
        for slot in slots {
            let channel = &self.slots[*slot];
            // A message of this life is newer than what the engine was asked about.
            if !channel.knows_end && located.contains_key(&channel.name) {
                let ended = self.located_end(&channel.name, located);
                let channel = &mut self.slots[*slot];
                (channel.ended, channel.knows_end) = (ended, true);
            }
        }
    }

    /// Returns what the engine has to be asked about `name` before a reader with `start` joins it:
    /// where its newest messages begin, which of them are hidden, and whether the channel has
    /// ended, if nobody knows that yet.
    pub(crate) fn question_about(
        &self,
        name: &ChannelName,
        start: Start,
        now: u64,
    ) -> Option<Locate> {
        let extent = self.extent.as_ref()?;
        let slot = self.find(name);
        let floor = self.floor(name).seq;
        if floor <= extent.after || !self.rules_for(name).log {
            return None;
        }
        let held = slot.map_or(0, |slot| self.slots[slot].ring.count());
        let newest = match start {
            Start::Newest(n) => n.saturating_sub(held),
            _ => 0,
        };
        let (visible, since) = match start {
            Start::Latest => (usize::MAX, 0),
            _ => self.visible_below(name, now),
        };
        let is_limited = visible != usize::MAX || since > 0;
        let knows_end = slot.is_some_and(|slot| self.slots[slot].knows_end);
        let is_known = newest == 0 && !is_limited && (knows_end || start == Start::Latest);
        (!is_known).then(|| Locate { channel: name.clone(), newest, until: floor, visible, since })
    }
}

/// What is erased.
impl Table {
    /// Returns the position up to which the messages of a channel are erased; 0 if none are.
    pub(crate) fn erased(&self, name: &ChannelName) -> Seq {
        match self.find(name) {
            Some(slot) => self.slots[slot].erased,
            None => self.erasures.get(name),
        }
    }

    /// Erases the messages of a channel up to and including `upto`. The ring keeps them for a
    /// while: readers that are about to be sent them are not disturbed.
    pub(crate) fn erase(&mut self, name: &ChannelName, upto: Seq) {
        if self.stores(name) {
            self.erasures.raise(name, upto);
        }
        // Without a slot, and without a store, there is nothing left to erase.
        if let Some(slot) = self.find(name) {
            let erased = &mut self.slots[slot].erased;
            *erased = upto.max(*erased);
        }
    }

    /// Evicts erased messages from the ring in `slot`.
    pub(super) fn evict_erased(&mut self, slot: usize) {
        let channel = &self.slots[slot];
        let erased = channel.erased;
        if channel.ring.oldest().is_some_and(|oldest| oldest.id.seq <= erased) {
            self.evict_up_to(slot, erased);
        }
    }

    /// Returns the seq of the newest message of a channel that this table knows of; 0 if it knows
    /// of none.
    pub(crate) fn newest_known(&self, name: &ChannelName) -> Seq {
        let newest_held = self.find(name).filter(|slot| !self.slots[*slot].ring.is_empty());
        match newest_held {
            Some(slot) => self.slots[slot].ring.newest(),
            None => Some(self.floor(name)).filter(|floor| floor.certain).map_or(0, |it| it.seq),
        }
    }
}
