//! The beginning of a log, or of another epoch of it.

use crate::{
    ChannelName, EarlierRules, Epoch, Extent, Seq,
    log::{erasure::Erasures, ring::Floor, table::Table, tombstones::Tombstones},
};

/// What an engine says when a log begins, and when its epoch changes.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The epoch of the ids from now on.
    pub epoch: Epoch,
    /// Earlier epochs whose ids still resume, each up to and including a seq.
    pub lineage: Vec<(Epoch, Seq)>,
    /// Messages up to here are in no ring. The engine makes those above it visible next.
    pub after: Seq,
    /// The highest seq that may have been issued; the same as `after` if nothing is made visible.
    pub head: Seq,
    /// What the engine stores below the rings; `None` if it stores nothing.
    pub extent: Option<Extent>,
    /// The parts of the log up to `head` in which other namespaces were logged than now.
    pub earlier: Vec<EarlierRules>,
    /// Channels whose messages up to a seq are erased, although they are stored.
    pub erased: Vec<(ChannelName, Seq)>,
}

impl Table {
    /// Begins another epoch, or the first: forgets all messages and tombstones. Channels keep their
    /// subscribers. Messages up to `after` are below every ring.
    pub(crate) fn begin(&mut self, beginning: Beginning) {
        let Beginning { epoch, lineage, after, head, extent, earlier, erased } = beginning;
        let slots: Vec<usize> = self.slots.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            if !self.slots[slot].ring.folds().is_empty() {
                self.slots[slot].ring.folds_mut().clear();
                self.slots[slot].pins -= 1;
            }
            let newest = self.slots[slot].ring.newest();
            self.evict_up_to(slot, newest);
            (self.slots[slot].ended, self.slots[slot].knows_end) = (None, false);
            self.forget_if_empty(slot);
        }
        (self.epoch, self.lineage, self.extent) = (epoch, lineage, extent);
        self.earlier = earlier;
        self.erasures = Erasures::new(erased);
        self.tombstones = Tombstones::new(self.limits.tombstones);
        self.tombstones.forget_up_to(after);
        (self.watermark, self.unlogged_floor) = (after, head);
        let unlogged = Floor { seq: head, certain: false };
        for (_, channel) in &mut self.slots {
            let floor = Floor { seq: after, certain: false };
            channel.erased = self.erasures.get(&channel.name);
            channel.ring.restart(if channel.rules.log { floor } else { unlogged });
        }
    }
}
