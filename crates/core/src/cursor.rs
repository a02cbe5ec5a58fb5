//! A subscription's place in the log: reads its channels from there to the head, merged by seq.

use std::sync::Arc;

use crate::{Epoch, Gap, Identity, Message, MessageId, Seq, table::Table};

/// What a reader finds next.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Message(Arc<Message>),
    Gap(Gap),
}

/// One channel of a cursor.
#[derive(Debug)]
pub(crate) struct Tap {
    /// The channel's slot in the table.
    pub(crate) slot: usize,
    /// Where its bell hangs in the channel's belfry.
    pub(crate) place: usize,
    /// Everything of this channel up to here has been read, or told as a gap.
    pub(crate) position: Seq,
    /// What was read last has ended the channel.
    pub(crate) ended: bool,
    /// Asked for by name; the user's own channel comes along unasked.
    pub(crate) asked: bool,
    /// Scratch of one read: index of the next message in the ring.
    next: usize,
}

impl Tap {
    pub(crate) fn new(slot: usize, position: Seq, asked: bool) -> Self {
        Self { slot, place: usize::MAX, position, ended: false, asked, next: 0 }
    }
}

/// How much one read may take, so that the log is never locked for long: a message of any size,
/// then as many more as fit.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// Messages.
    pub messages: usize,
    /// Bytes of data.
    pub bytes: usize,
}

impl Default for Portion {
    fn default() -> Self {
        Self { messages: 256, bytes: 64 * 1024 }
    }
}

#[derive(Debug)]
pub(crate) struct Cursor {
    /// Where to resume: everything up to here has been read on every channel.
    pub(crate) position: Seq,
    pub(crate) taps: Box<[Tap]>,
}

impl Cursor {
    /// Reads up to `portion` into `items`; whether that was everything. What is hidden from `reader`
    /// moves the cursor all the same.
    pub(crate) fn read(
        &mut self,
        table: &Table,
        epoch: Epoch,
        reader: Option<&Identity>,
        portion: Portion,
        items: &mut Vec<Item>,
    ) -> bool {
        for tap in &mut self.taps {
            tap.next = table.slots[tap.slot].ring.index_after(tap.position);
        }
        let (mut visited, mut bytes, mut complete) = (0, 0, false);
        while visited < portion.messages && bytes < portion.bytes && !self.has_ended() {
            let Some((seq, index)) = self.nearest(table) else {
                self.position = self.position.max(table.watermark);
                complete = true;
                break;
            };
            let tap = &mut self.taps[index];
            let channel = &table.slots[tap.slot];
            let from = tap.position;
            tap.position = seq;
            visited += 1;
            if channel.ring.floor().seq > from {
                let floor = channel.ring.floor();
                tap.ended = channel.ended_by(seq);
                // Forgotten channels may share a floor: only the last of them moves the
                // cursor, so that whoever resumes in between is told the others again.
                let shared = self.nearest(table).is_some_and(|(next, _)| next == seq);
                if !shared {
                    self.position = self.position.max(seq);
                }
                items.push(Item::Gap(Gap {
                    id: MessageId { epoch, seq: self.position },
                    channel: channel.name.clone(),
                    first: Some(from + 1),
                    last: Some(seq),
                    certain: floor.certain,
                }));
                continue;
            }
            let Some(message) = channel.ring.get(tap.next) else {
                break;
            };
            tap.next += 1;
            tap.ended = channel.ended_by(seq);
            self.position = self.position.max(seq);
            if reader.is_none_or(|reader| !message.is_hidden_from(reader)) {
                bytes += message.draft.data.as_bytes().len();
                items.push(Item::Message(Arc::clone(message)));
            }
        }
        for tap in &mut self.taps {
            // A tap that still has a gap to tell keeps its place, so that the gap is told whole.
            if table.slots[tap.slot].ring.floor().seq <= tap.position {
                tap.position = tap.position.max(self.position);
            }
        }
        complete || self.has_ended()
    }

    /// Whether every channel that was asked for has ended for this reader.
    pub(crate) fn has_ended(&self) -> bool {
        self.taps.iter().all(|tap| tap.ended || !tap.asked)
    }

    /// The next seq at which a channel has something, and the channel's place among the taps.
    fn nearest(&self, table: &Table) -> Option<(Seq, usize)> {
        let next_of = |tap: &Tap| {
            let ring = &table.slots[tap.slot].ring;
            match ring.floor().seq {
                lost if lost > tap.position => Some(lost),
                _ => ring.get(tap.next).map(|message| message.id.seq),
            }
        };
        let candidates = self.taps.iter().enumerate();
        candidates.filter_map(|(index, tap)| Some((next_of(tap)?, index))).min()
    }
}
