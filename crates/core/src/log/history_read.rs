//! A read of one channel's history, in portions of the engine and then from the ring.

use std::{net::IpAddr, sync::Arc};

use crate::{
    ChannelName, Epoch, FoldKind, Gap, History, Hole, Identity, Message, MessageId, Portion,
    ReadLimit, ReadRequest, Seq, Start, UserId,
    fold::{kind::is_add, snapshot::Snapshot},
    log::{start::LocatedChannels, table::Table},
};

/// A read in progress.
#[derive(Debug)]
pub(crate) struct HistoryRead {
    channel: ChannelName,
    limit: ReadLimit,
    /// Who reads, for the shares of the memory for reads.
    user: Option<UserId>,
    address: Option<IpAddr>,
    /// Everything up to here was read, or is in the gap.
    position: Seq,
    bytes: usize,
    /// Parts of folds up to here are left out; the snapshot there has them.
    compact_until: Seq,
    /// Whether there are parts that it does not read.
    needs_snapshot: bool,
    /// The snapshots, each before the message at its index.
    snapshots: Vec<(usize, Arc<Snapshot>)>,
    /// No more fits, or the next messages are behind a gap.
    full: bool,
    history: History,
}

impl HistoryRead {
    pub(super) fn begin(
        table: &Table,
        channel: &ChannelName,
        start: Start,
        limit: ReadLimit,
        located: &LocatedChannels,
        now: u64,
        reader: Option<&Identity>,
    ) -> Self {
        let resolved = start.resolve_one(table, channel, located, now);
        let (position, head) = (resolved.position, table.head());
        let gap = match (resolved.is_foreign, resolved.hidden) {
            (true, _) => Some(Gap::unknown(head, channel.clone())),
            (false, Some(Hole { first, last })) => {
                let (id, channel) = (table.id(last), channel.clone());
                Some(Gap { id, channel, first: Some(first), last: Some(last), certain: false })
            }
            (false, None) => None,
        };
        let history = History { id: head, gap, messages: Vec::new(), more: false };
        let user = reader.and_then(|reader| reader.user.clone());
        let address = reader.and_then(|reader| reader.address);
        let (channel, bytes, full) = (channel.clone(), 0, false);
        let compact_until = if start.is_compact() { table.watermark } else { 0 };
        let snapshots = Vec::new();
        Self {
            channel,
            limit,
            user,
            address,
            position,
            bytes,
            compact_until,
            snapshots,
            needs_snapshot: start.has_everything(),
            full,
            history,
        }
    }

    /// Reads on. Returns what the engine has to be asked for next; `None` once nothing is left to
    /// read, or the limit is reached.
    pub(super) fn read_on(&mut self, table: &Table) -> Option<ReadRequest> {
        let erased = table.erased(&self.channel);
        if self.position < erased {
            let lost = Hole { first: self.position + 1, last: erased };
            self.skip(lost, false, table.epoch);
        }
        let floor = table.floor(&self.channel);
        if self.position < floor.seq && !self.full {
            if table.stores(&self.channel) {
                self.needs_snapshot = true;
                return Some(self.request(floor.seq));
            }
            let lost = Hole { first: self.position + 1, last: floor.seq };
            self.skip(lost, floor.certain, table.epoch);
        }
        if let Some(slot) = table.find(&self.channel) {
            self.read_ring(table, slot);
        }
        self.history.more = self.full;
        self.history.id = match self.full {
            true => MessageId { seq: self.position, ..table.head() },
            false => table.head(),
        };
        None
    }

    fn read_ring(&mut self, table: &Table, slot: usize) {
        let ring = &table.slots[slot].ring;
        let snapshot_at = ring.newest_part_up_to(self.compact_until);
        let snapshot_at = snapshot_at.max(self.position);
        let mut needs_snapshot = self.needs_snapshot || self.position < snapshot_at;
        for message in ring.iter_after(self.position) {
            if needs_snapshot && message.id.seq > snapshot_at {
                self.push_snapshot(table, slot, snapshot_at);
                needs_snapshot = false;
            }
            // The snapshot has what it adds, or the message that ends its fold has.
            let has_ended = message.fold.as_ref().is_some_and(|fold| fold.ended().is_some());
            let is_left_out =
                has_ended || message.id.seq <= self.compact_until && table.is_add(&message.draft);
            if !is_left_out {
                self.full = self.full || !self.push(message);
            }
        }
        if needs_snapshot {
            self.push_snapshot(table, slot, snapshot_at);
        }
    }

    fn push_snapshot(&mut self, table: &Table, slot: usize, seq: Seq) {
        if self.full {
            return;
        }
        self.position = self.position.max(seq);
        if let Some(snapshot) = table.snapshot(slot, seq) {
            self.snapshots.push((self.history.messages.len(), snapshot));
        }
    }

    fn request(&self, until: Seq) -> ReadRequest {
        let limit = ReadLimit {
            messages: self.limit.messages - self.history.messages.len(),
            bytes: self.limit.bytes.saturating_sub(self.bytes),
        };
        let channels = vec![(self.channel.clone(), self.position)];
        let (user, address) = (self.user.clone(), self.address);
        ReadRequest { channels, until, limit, user, address }
    }

    /// Adds a portion.
    pub(crate) fn add(&mut self, portion: &Portion, epoch: Epoch, folds: Option<&dyn FoldKind>) {
        let mut holes = portion.holes().iter().peekable();
        for message in portion.messages() {
            while let Some(hole) = holes.next_if(|hole| hole.first < message.id.seq) {
                self.skip(*hole, false, epoch);
            }
            // Its end follows, or the snapshot after the portions.
            if is_add(folds, &message.draft) {
                self.position = self.position.max(message.id.seq);
                continue;
            }
            if self.full || !self.push(message) {
                self.full = true;
                return;
            }
        }
        holes.for_each(|hole| self.skip(*hole, false, epoch));
        if !self.full {
            self.position = self.position.max(portion.upto());
        }
    }

    /// Adds a message, if it fits.
    fn push(&mut self, message: &Arc<Message>) -> bool {
        if message.id.seq <= self.position {
            return true;
        }
        let size = message.draft.data.as_bytes().len();
        let fits = self.history.messages.len() < self.limit.messages
            && (self.bytes == 0 || self.bytes + size <= self.limit.bytes);
        if fits {
            self.bytes += size.max(1);
            self.position = message.id.seq;
            self.history.messages.push(message.clone());
        }
        fits
    }

    /// Moves over lost messages. A page has one gap, before its messages: a later one is the
    /// beginning of the next page.
    fn skip(&mut self, lost: Hole, certain: bool, epoch: Epoch) {
        if self.full || lost.last <= self.position {
            return;
        }
        if !self.history.messages.is_empty() {
            self.full = true;
            return;
        }
        let first = lost.first.max(self.position + 1);
        self.position = lost.last;
        let id = MessageId { epoch, seq: lost.last };
        match &mut self.history.gap {
            // Of unknown extent: it covers this one.
            Some(Gap { last: None, .. }) => {}
            Some(gap) => {
                (gap.id, gap.last) = (id, Some(lost.last));
                gap.certain &= certain;
            }
            None => {
                let (first, last) = (Some(first), Some(lost.last));
                self.history.gap =
                    Some(Gap { id, channel: self.channel.clone(), first, last, certain });
            }
        }
    }

    /// Returns what was read.
    pub(crate) fn into_history(mut self) -> History {
        for (index, snapshot) in self.snapshots.iter().rev() {
            self.history.messages.insert(*index, snapshot.message().clone());
        }
        self.history
    }
}
