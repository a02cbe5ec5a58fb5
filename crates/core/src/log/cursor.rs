//! A subscription's place in the log: reads its channels from there to the head, merged by seq.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use crate::{
    ChannelName, Count, Gap, Identity, OnlineChange, ReadLimit, Seq,
    log::{
        channel::Channel,
        channel_cursor::ChannelCursor,
        read::{Item, ItemKind, Progress},
        table::Table,
    },
};

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
        reader: Option<&Identity>,
        limit: ReadLimit,
        items: &mut Vec<Item>,
    ) -> Progress {
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
                    let kind = ItemKind::Gap(self.read_gap(table, index, shared), policy);
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
        match complete || ended {
            true => Progress::CaughtUp,
            false => Progress::More,
        }
    }

    /// Which of its channels is the one of this name.
    pub(crate) fn index_of(&self, table: &Table, channel: &ChannelName) -> Option<usize> {
        let slot = table.find(channel)?;
        self.channels.iter().position(|cursor| cursor.slot == slot)
    }

    /// The channels that were asked for.
    pub(crate) fn explicit(&self) -> impl Iterator<Item = &ChannelCursor> {
        self.channels.iter().filter(|cursor| cursor.explicit)
    }

    /// The names of the channels that were asked for.
    pub(crate) fn channel_names(&self, table: &Table) -> Vec<ChannelName> {
        self.explicit().map(|cursor| table.slots[cursor.slot].name.clone()).collect()
    }

    /// The online counts of the channels that were asked for, with versions that grow with each
    /// change.
    pub(crate) fn online_counts(&self, table: &Table) -> Vec<(u64, OnlineChange)> {
        let channels = self.explicit().map(|cursor| &table.slots[cursor.slot]);
        let count = |channel: &Channel| {
            let Count { users, connections } = channel.roster.online().total;
            let change = OnlineChange { channel: channel.name.clone(), users, connections };
            (channel.roster.version(), change)
        };
        channels.filter(|channel| channel.rules.online).map(count).collect()
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
    fn read_gap(&mut self, table: &Table, index: usize, shared: bool) -> Gap {
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
            id: table.id(self.position),
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
        let mut explicit = self.explicit().filter(|cursor| !cursor.is_presence).peekable();
        explicit.peek().is_some() && explicit.all(|cursor| cursor.ended)
    }
}
