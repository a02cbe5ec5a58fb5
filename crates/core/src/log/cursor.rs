//! The cursor of a subscription: reads its channels from there to the head, merged by seq.

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
    /// The position to resume from: everything up to here has been read on every channel.
    pub(crate) position: Seq,
    pub(crate) channels: Box<[ChannelCursor]>,
}

/// The seq of a channel's next item, and the channel's index; the smallest first.
type HeapEntry = Reverse<(Seq, usize)>;

impl Cursor {
    pub(crate) fn new(position: Seq, channels: Vec<ChannelCursor>) -> Self {
        Self { position, channels: channels.into() }
    }

    /// Adds a channel, which is read from `position` on. If that is history, the cursor moves back
    /// to before it: a reader that is disconnected in between reads some messages again, and loses
    /// none.
    pub(crate) fn add_channel(&mut self, cursor: ChannelCursor, position: Seq) {
        self.position = self.position.min(position);
        let mut channels = std::mem::take(&mut self.channels).into_vec();
        channels.push(cursor);
        self.channels = channels.into();
    }

    /// Removes the channel at `index`.
    pub(crate) fn remove_channel(&mut self, index: usize) -> ChannelCursor {
        let mut channels = std::mem::take(&mut self.channels).into_vec();
        let cursor = channels.remove(index);
        self.channels = channels.into();
        cursor
    }

    /// Reads up to `limit` into `items`. Messages that are hidden from `reader` move the cursor
    /// too.
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
            // A channel that still has a gap to report stays where it is, so that the gap is
            // complete.
            if table.slots[cursor.slot].ring.floor().seq <= cursor.position {
                cursor.position = cursor.position.max(self.position);
            }
        }
        match complete || ended {
            true => Progress::CaughtUp,
            false => Progress::More,
        }
    }

    /// Returns the index of a channel in this cursor.
    pub(crate) fn index_of(&self, table: &Table, channel: &ChannelName) -> Option<usize> {
        let slot = table.find(channel)?;
        self.channels.iter().position(|cursor| cursor.slot == slot)
    }

    /// Iterates over the channels that the reader asked for.
    pub(crate) fn explicit(&self) -> impl Iterator<Item = &ChannelCursor> {
        self.channels.iter().filter(|cursor| cursor.explicit)
    }

    /// Returns the names of the channels that the reader asked for.
    pub(crate) fn channel_names(&self, table: &Table) -> Vec<ChannelName> {
        self.explicit().map(|cursor| table.slots[cursor.slot].name.clone()).collect()
    }

    /// Returns the online counts of the channels that the reader asked for, with versions that
    /// grow with each change.
    pub(crate) fn online_counts(&self, table: &Table) -> Vec<(u64, OnlineChange)> {
        let channels = self.explicit().map(|cursor| &table.slots[cursor.slot]);
        let count = |channel: &Channel| {
            let Count { users, connections } = channel.roster.online().total;
            let change = OnlineChange { channel: channel.name.clone(), users, connections };
            (channel.roster.version(), change)
        };
        channels.filter(|channel| channel.rules.online).map(count).collect()
    }

    /// Moves to `seq` on all channels, unless it is past that already.
    pub(crate) fn skip_to(&mut self, seq: Seq) {
        self.position = self.position.max(seq);
        for cursor in &mut self.channels {
            cursor.position = cursor.position.max(seq);
        }
    }

    /// Moves the channel at `index` over the messages that it has lost. Several forgotten channels
    /// may have the same floor (`shared`): only the last of them moves the cursor, so that a reader
    /// that resumes in between gets the other gaps again.
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

    /// Whether some channel has ended for this reader. A message after that end would undo it.
    pub(crate) fn has_ended_channel(&self) -> bool {
        self.channels.iter().any(|cursor| cursor.ended)
    }

    /// Whether every channel that the reader asked for has ended. A reader that has unsubscribed
    /// from all channels has not ended: it may subscribe to others. A presence channel has no end
    /// of its own, and does not count.
    pub(crate) fn has_ended(&self) -> bool {
        let mut explicit = self.explicit().filter(|cursor| !cursor.is_presence).peekable();
        explicit.peek().is_some() && explicit.all(|cursor| cursor.ended)
    }
}
