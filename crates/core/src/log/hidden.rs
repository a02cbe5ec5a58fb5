//! What readers may not see of a channel's history, although it is kept.

use std::time::Duration;

use crate::{
    ChannelName, Seq, Visible,
    log::{start::LocatedChannels, table::Table},
};

impl Table {
    /// Returns the position up to which the messages of a channel are hidden from a reader that
    /// starts at `now`. `located` has the engine's answer, if it had to be asked.
    pub(crate) fn hidden_up_to(
        &self,
        name: &ChannelName,
        located: &LocatedChannels,
        now: u64,
    ) -> Seq {
        let visible = self.visible(name);
        let gone = self.unlogged_up_to(name).max(self.erased(name));
        if visible == Visible::default() {
            return gone;
        }
        let floor = self.floor(name).seq;
        let below = || match located.get(name) {
            _ if !self.stores(name) => 0,
            Some(located) => located.hidden.min(floor),
            // The ring has changed since the engine could be asked: rather too little is shown.
            None => floor,
        };
        let hidden = |in_ring: Option<Seq>| in_ring.unwrap_or_else(below);
        let by_number = match visible.messages {
            usize::MAX => 0,
            messages => hidden(self.before_newest_in_ring(name, messages)),
        };
        let by_age = match visible.age == Duration::MAX {
            true => 0,
            false => hidden(self.before_time_in_ring(name, visible.since(now))),
        };
        by_number.max(by_age).max(gone)
    }

    fn visible(&self, name: &ChannelName) -> Visible {
        match self.find(name) {
            Some(slot) => self.slots[slot].rules.visible,
            None => self.rules_for(name).visible,
        }
    }

    /// Returns the limits of what is visible below the ring: how many of the newest messages, and
    /// from when on. A limit that the ring decides needs no answer.
    pub(super) fn visible_below(&self, name: &ChannelName, now: u64) -> (usize, u64) {
        let visible = self.visible(name);
        let held = self.find(name).map_or(0, |slot| self.slots[slot].ring.count());
        let messages = match visible.messages {
            messages if messages == usize::MAX || messages <= held => usize::MAX,
            messages => messages - held,
        };
        let since = match visible.since(now) {
            since if self.before_time_in_ring(name, since).is_none() => since,
            _ => 0,
        };
        (messages, since)
    }

    /// Returns the position before the newest `n` messages, if the ring has as many.
    fn before_newest_in_ring(&self, name: &ChannelName, n: usize) -> Option<Seq> {
        self.slots[self.find(name)?].ring.before_newest(n)
    }

    /// Returns the position before the first message that is not older than `since`, if the ring
    /// has an older one.
    fn before_time_in_ring(&self, name: &ChannelName, since: u64) -> Option<Seq> {
        let ring = &self.slots[self.find(name)?].ring;
        ring.get(ring.index_since(since).checked_sub(1)?).map(|message| message.id.seq)
    }
}
