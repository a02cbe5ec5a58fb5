//! A subscription's place in the log: reads its channels from there to the head, merged by seq.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use crate::{Epoch, Gap, Identity, Message, MessageId, Seq, SlowReader, log::table::Table};

/// What a reader finds next.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: ItemKind,
    /// It came while the reader was there.
    pub(crate) live: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum ItemKind {
    Message(Arc<Message>),
    /// And what the channel's namespace has for readers that fall behind.
    Gap(Gap, SlowReader),
}

/// One channel of a cursor.
#[derive(Debug)]
pub(crate) struct ChannelCursor {
    /// The channel's slot in the table.
    pub(crate) slot: usize,
    /// Where its bell hangs in the channel's belfry; nothing hangs at the highest place.
    pub(crate) waker_id: u64,
    /// Everything of this channel up to here has been read, or told as a gap.
    pub(crate) position: Seq,
    /// What was read last has ended the channel.
    pub(crate) ended: bool,
    /// Asked for by name; the user's own channel comes along unasked.
    pub(crate) explicit: bool,
    /// It only tells of another channel, and keeps no stream open that all others have ended for.
    pub(crate) is_presence: bool,
    /// What lies above it was published while the reader was there.
    joined_at: Seq,
    /// Scratch of one read: index of the next message in the ring.
    next_index: usize,
}

impl ChannelCursor {
    pub(crate) fn new(slot: usize, position: Seq, explicit: bool, joined_at: Seq) -> Self {
        let waker_id = u64::MAX;
        Self {
            slot,
            waker_id,
            position,
            ended: false,
            explicit,
            is_presence: false,
            joined_at,
            next_index: 0,
        }
    }
}

/// How much one read may take, so that the log is never locked for long: a message of any size,
/// then as many more as fit.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// Messages.
    pub messages: usize,
    /// Bytes of data.
    pub bytes: usize,
}

impl Default for ReadLimit {
    fn default() -> Self {
        Self { messages: 256, bytes: 64 * 1024 }
    }
}

#[derive(Debug)]
pub(crate) struct Cursor {
    /// Where to resume: everything up to here has been read on every channel.
    pub(crate) position: Seq,
    pub(crate) channels: Box<[ChannelCursor]>,
}

/// Where a channel has something next, and its place among the taps; the smallest first.
type HeapEntry = Reverse<(Seq, usize)>;

impl Cursor {
    pub(crate) fn new(position: Seq, channels: Vec<ChannelCursor>) -> Self {
        Self { position, channels: channels.into() }
    }

    /// Reads one more channel from here on. Where its history is read first, the place to resume from goes
    /// back to before that: whoever is cut in between reads something again, and loses nothing.
    pub(crate) fn add_channel(&mut self, cursor: ChannelCursor, position: Seq) {
        self.position = self.position.min(position);
        let mut channels = std::mem::take(&mut self.channels).into_vec();
        channels.push(cursor);
        self.channels = channels.into();
    }

    /// Reads the channel at `index` no more.
    pub(crate) fn remove_channel(&mut self, index: usize) -> ChannelCursor {
        let mut channels = std::mem::take(&mut self.channels).into_vec();
        let cursor = channels.remove(index);
        self.channels = channels.into();
        cursor
    }

    /// Reads up to `portion` into `items`; whether that was everything. What is hidden from `reader`
    /// moves the cursor all the same.
    pub(crate) fn read(
        &mut self,
        table: &Table,
        epoch: Epoch,
        reader: Option<&Identity>,
        limit: ReadLimit,
        items: &mut Vec<Item>,
    ) -> bool {
        let mut heap: BinaryHeap<HeapEntry> = BinaryHeap::with_capacity(self.channels.len());
        for (index, cursor) in self.channels.iter_mut().enumerate() {
            cursor.next_index = table.slots[cursor.slot].ring.index_after(cursor.position);
            heap.extend(cursor.next_seq(table).map(|seq| Reverse((seq, index))));
        }
        let (mut visited, mut bytes, mut complete) = (0, 0, false);
        let mut ended = self.has_ended();
        while visited < limit.messages && !ended {
            let Some(Reverse((seq, index))) = heap.pop() else {
                self.position = self.position.max(table.watermark);
                complete = true;
                break;
            };
            let cursor = &mut self.channels[index];
            let was_ended = cursor.ended;
            match cursor.next_message(table) {
                None => {
                    let shared = heap.peek().is_some_and(|Reverse((next, _))| *next == seq);
                    let live = seq > cursor.joined_at;
                    let policy = table.slots[cursor.slot].rules.slow_reader;
                    let kind = ItemKind::Gap(self.read_gap(table, epoch, index, shared), policy);
                    items.push(Item { kind, live });
                }
                Some(message) => {
                    let hidden = reader.is_some_and(|reader| message.is_hidden_from(reader));
                    let size = message.draft.data.as_bytes().len();
                    if !hidden && bytes > 0 && bytes + size > limit.bytes {
                        break;
                    }
                    let live = seq > cursor.joined_at;
                    let ends = live || table.slots[cursor.slot].has_ended_at(seq);
                    cursor.ended = message.draft.end && ends;
                    cursor.position = seq;
                    cursor.next_index += 1;
                    self.position = self.position.max(seq);
                    if !hidden {
                        bytes += size.max(1);
                        items.push(Item { kind: ItemKind::Message(Arc::clone(message)), live });
                    }
                }
            }
            visited += 1;
            let cursor = &self.channels[index];
            heap.extend(cursor.next_seq(table).map(|seq| Reverse((seq, index))));
            ended = if cursor.ended != was_ended { self.has_ended() } else { ended };
        }
        for cursor in &mut self.channels {
            // A tap that still has a gap to tell keeps its place, so that the gap is told whole.
            if table.slots[cursor.slot].ring.floor().seq <= cursor.position {
                cursor.position = cursor.position.max(self.position);
            }
        }
        complete || ended
    }

    /// Everything up to `seq` has been read, on all channels.
    pub(crate) fn skip_to(&mut self, seq: Seq) {
        self.position = self.position.max(seq);
        for cursor in &mut self.channels {
            cursor.position = cursor.position.max(seq);
        }
    }

    /// Moves the tap at `index` over what its channel has lost. Forgotten channels may share a
    /// floor: only the last of them moves the cursor, so that whoever resumes in between is told
    /// the others again.
    fn read_gap(&mut self, table: &Table, epoch: Epoch, index: usize, shared: bool) -> Gap {
        let cursor = &mut self.channels[index];
        let channel = &table.slots[cursor.slot];
        let floor = channel.ring.floor();
        let first = cursor.position + 1;
        cursor.position = floor.seq;
        cursor.ended = channel.has_ended_at(floor.seq);
        if !shared {
            self.position = self.position.max(floor.seq);
        }
        Gap {
            id: MessageId { epoch, seq: self.position },
            channel: channel.name.clone(),
            first: Some(first),
            last: Some(floor.seq),
            certain: floor.certain,
        }
    }

    /// Whether a channel has ended for this reader; a message behind that end would undo it.
    pub(crate) fn has_ended_channel(&self) -> bool {
        self.channels.iter().any(|cursor| cursor.ended)
    }

    /// Whether every channel that was asked for has ended for this reader. Who has left all of them waits
    /// for what it will ask for; a presence channel has no end of its own.
    pub(crate) fn has_ended(&self) -> bool {
        let mut explicit =
            self.channels.iter().filter(|cursor| cursor.explicit && !cursor.is_presence).peekable();
        explicit.peek().is_some() && explicit.all(|cursor| cursor.ended)
    }
}

impl ChannelCursor {
    /// The next message; `None` when a gap has to be told first, or there is nothing.
    fn next_message<'a>(&self, table: &'a Table) -> Option<&'a Arc<Message>> {
        let ring = &table.slots[self.slot].ring;
        if ring.floor().seq > self.position { None } else { ring.get(self.next_index) }
    }

    /// The seq at which this channel has something to tell next: a gap or a message.
    fn next_seq(&self, table: &Table) -> Option<Seq> {
        let lost = table.slots[self.slot].ring.floor().seq;
        if lost > self.position {
            return Some(lost);
        }
        self.next_message(table).map(|message| message.id.seq)
    }
}
