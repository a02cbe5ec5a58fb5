//! A read of one channel's history, in portions of the engine and then from the ring.

use std::{net::IpAddr, sync::Arc};

use crate::{
    ChannelName, Epoch, Gap, History, Hole, Identity, Message, MessageId, Portion, ReadLimit,
    ReadRequest, Seq, Start, UserId,
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
        Self { channel, limit, user, address, position, bytes, full, history }
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
                return Some(self.request(floor.seq));
            }
            let lost = Hole { first: self.position + 1, last: floor.seq };
            self.skip(lost, floor.certain, table.epoch);
        }
        let ring = table.find(&self.channel).map(|slot| &table.slots[slot].ring);
        let after = self.position;
        let mut rest = ring.into_iter().flat_map(|ring| ring.iter_after(after));
        while !self.full
            && let Some(message) = rest.next()
        {
            self.full = !self.push(message);
        }
        self.history.more = self.full;
        self.history.id = match self.full {
            true => MessageId { seq: self.position, ..table.head() },
            false => table.head(),
        };
        None
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
    pub(crate) fn add(&mut self, portion: &Portion, epoch: Epoch) {
        let mut holes = portion.holes().iter().peekable();
        for message in portion.messages() {
            while let Some(hole) = holes.next_if(|hole| hole.first < message.id.seq) {
                self.skip(*hole, false, epoch);
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
    pub(crate) fn into_history(self) -> History {
        self.history
    }
}
