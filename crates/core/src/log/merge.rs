//! One read of a cursor: the rings of its channels, and a portion of older messages, merged by seq.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use crate::{
    Gap, Hole, Identity, Message, ReadLimit, ReadRequest, Seq, SlowReader,
    log::{
        channel_cursor::ChannelCursor,
        cursor::Cursor,
        portion_source::{Older, PortionItem, PortionSource},
        read::{Item, ItemKind, Progress},
        table::Table,
    },
};

/// The seq of the next item of a source; the smallest first, and a snapshot after the message with
/// the same seq, which may be of another channel. A source is the index of a channel, or
/// [`PORTION`].
type HeapEntry = Reverse<(Seq, bool, usize)>;

/// The portion as a source.
const PORTION: usize = usize::MAX;

/// What comes after an item.
enum Flow {
    Continue,
    Stop(Progress),
}

/// A read in progress.
pub(super) struct Merge<'a> {
    cursor: &'a mut Cursor,
    table: &'a Table,
    reader: Option<&'a Identity>,
    limit: ReadLimit,
    items: &'a mut Vec<Item>,
    older: Option<PortionSource<'a>>,
    heap: BinaryHeap<HeapEntry>,
    bytes: usize,
    /// Whether every channel has ended.
    ended: bool,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        cursor: &'a mut Cursor,
        table: &'a Table,
        reader: Option<&'a Identity>,
        limit: ReadLimit,
        older: Option<Older<'a>>,
        items: &'a mut Vec<Item>,
    ) -> Self {
        let older = older.and_then(|older| PortionSource::new(older, &mut cursor.channels, table));
        let heap = BinaryHeap::with_capacity(cursor.channels.len() + 1);
        let ended = cursor.has_ended();
        let mut merge = Self { cursor, table, reader, limit, items, older, heap, bytes: 0, ended };
        for index in 0..merge.cursor.channels.len() {
            let channel = &mut merge.cursor.channels[index];
            channel.seek(table);
            if !channel.in_portion {
                merge.push_channel(index);
            }
            let channel = &merge.cursor.channels[index];
            // Otherwise a gap comes first.
            if !channel.is_behind(table) || channel.needs_engine(table) {
                merge.push_snapshot_entry(index);
            }
        }
        merge.push_portion();
        merge
    }

    /// Reads up to the limit.
    pub(super) fn run(mut self) -> Progress {
        let mut visited = 0;
        let mut progress = Progress::More;
        while visited < self.limit.messages && !self.ended {
            let Some(Reverse((seq, is_snapshot, source))) = self.heap.pop() else {
                self.cursor.position = self.cursor.position.max(self.table.watermark);
                self.cursor.channels.iter_mut().for_each(|channel| channel.caught_up = true);
                progress = Progress::CaughtUp;
                break;
            };
            let flow = match source {
                PORTION => self.next_of_portion(),
                index if is_snapshot => {
                    self.push_snapshot(index, seq);
                    Flow::Continue
                }
                index => self.next_of_channel(index, seq),
            };
            if let Flow::Stop(stopped) = flow {
                progress = stopped;
                break;
            }
            visited += 1;
        }
        if self.ended {
            progress = Progress::CaughtUp;
        }
        self.align_channels();
        progress
    }

    fn push_channel(&mut self, index: usize) {
        let next = self.cursor.channels[index].next_seq(self.table);
        self.heap.extend(next.map(|seq| Reverse((seq, false, index))));
    }

    fn push_snapshot_entry(&mut self, index: usize) {
        let snapshot = self.cursor.channels[index].snapshot_at(self.table);
        self.heap.extend(snapshot.map(|seq| Reverse((seq, true, index))));
    }

    fn push_portion(&mut self) {
        let next = self.older.as_mut().map(|older| older.next_seq(&self.cursor.channels));
        self.heap.extend(next.map(|seq| Reverse((seq, false, PORTION))));
    }

    fn next_of_channel(&mut self, index: usize, seq: Seq) -> Flow {
        let channel = &self.cursor.channels[index];
        if channel.is_erased(self.table) {
            self.push_erased_gap(index);
            self.push_channel(index);
            return Flow::Continue;
        }
        if channel.needs_engine(self.table) {
            return Flow::Stop(self.behind(index));
        }
        if channel.is_behind(self.table) {
            self.push_floor_gap(index, seq);
        } else if let Some(message) = channel.next_message(self.table) {
            // A snapshot may have moved it past the message that it was queued for.
            if message.id.seq == seq {
                if !self.push_message(index, message) {
                    return Flow::Stop(Progress::More);
                }
                let channel = &mut self.cursor.channels[index];
                channel.next_index += 1;
                channel.skip_left_out(self.table);
            }
        }
        self.push_channel(index);
        Flow::Continue
    }

    fn next_of_portion(&mut self) -> Flow {
        let Some(older) = &mut self.older else { return Flow::Continue };
        match older.next(&self.cursor.channels) {
            PortionItem::Message(index, message) if self.is_left_out(index, message) => {
                self.cursor.channels[index].pass(message.id.seq, self.table);
            }
            PortionItem::Message(index, message) => {
                if !self.push_message(index, message) {
                    return Flow::Stop(Progress::More);
                }
            }
            PortionItem::Hole(hole) => self.push_hole_gaps(hole),
            PortionItem::End(upto) => {
                self.older = None;
                self.cursor.position = self.cursor.position.max(upto);
                for index in 0..self.cursor.channels.len() {
                    let channel = &mut self.cursor.channels[index];
                    if std::mem::take(&mut channel.in_portion) {
                        channel.pass(upto, self.table);
                        channel.seek(self.table);
                        self.push_channel(index);
                    }
                }
            }
        }
        self.push_portion();
        Flow::Continue
    }

    /// Reads a message, unless it exceeds the limit of bytes. Returns whether it was read. A
    /// message that is hidden from the reader moves the cursor too.
    fn push_message(&mut self, index: usize, message: &Arc<Message>) -> bool {
        let hidden = self.reader.is_some_and(|reader| message.is_hidden_from(reader));
        let size = message.draft.data.as_bytes().len();
        if !hidden && self.bytes > 0 && self.bytes + size > self.limit.bytes {
            return false;
        }
        let seq = message.id.seq;
        let channel = &mut self.cursor.channels[index];
        let live = seq > channel.joined_at;
        let ends = live || self.table.slots[channel.slot].has_ended_at(seq);
        let ended = message.draft.end && ends;
        let changed = std::mem::replace(&mut channel.ended, ended) != ended;
        channel.position = seq;
        self.cursor.position = self.cursor.position.max(seq);
        if !hidden {
            self.bytes += size.max(1);
            self.items.push(Item { kind: ItemKind::Message(Arc::clone(message)), live });
        }
        if changed {
            self.ended = self.cursor.has_ended();
        }
        true
    }

    /// Moves a channel that is not stored over the messages that have left its ring.
    fn push_floor_gap(&mut self, index: usize, seq: Seq) {
        let channel = &self.cursor.channels[index];
        let floor = self.table.slots[channel.slot].ring.floor();
        let live = seq > channel.joined_at;
        let first = channel.position + 1;
        let lost = Hole { first, last: floor.seq };
        let shared = self.heap.peek().is_some_and(|Reverse((next, ..))| *next == lost.last);
        // A snapshot at the same seq follows: a reader that is cut in between needs both again.
        let channel = &mut self.cursor.channels[index];
        let has_folds = !self.table.slots[channel.slot].ring.folds().is_empty();
        channel.snapshot_due |= has_folds;
        let snapshot_follows = channel.snapshot_due;
        let position = if shared || snapshot_follows { 0 } else { lost.last };
        self.push_gap(index, lost, position, floor.certain, live);
        self.cursor.channels[index].seek(self.table);
        self.push_snapshot_entry(index);
    }

    /// Whether a message of a portion is not read: a part of a fold that has left the ring, whose
    /// snapshot or end follows, or one that would not be read from the ring either.
    fn is_left_out(&self, index: usize, message: &Message) -> bool {
        let channel = &self.cursor.channels[index];
        let held = self.table.slots[channel.slot].ring.find(message.id.seq);
        self.table.is_add(&message.draft)
            && held.is_none_or(|held| channel.leaves_out(held, self.table))
    }

    /// Sends a channel the snapshot at `seq`, which has the parts of folds that it does not read;
    /// there is none if nothing is under way any more.
    fn push_snapshot(&mut self, index: usize, seq: Seq) {
        let channel = &mut self.cursor.channels[index];
        let live = seq > channel.joined_at;
        channel.snapshot_due = false;
        channel.missed_until = self.table.watermark;
        channel.position = channel.position.max(seq);
        channel.skip_left_out(self.table);
        self.cursor.position = self.cursor.position.max(seq);
        if let Some(snapshot) = self.table.snapshot(channel.slot, seq) {
            self.bytes += 1;
            self.items.push(Item { kind: ItemKind::Snapshot(snapshot), live });
        }
    }

    /// Moves a channel over messages that were erased after its reader had joined. Other channels
    /// may have messages in between, so the cursor stays before them.
    fn push_erased_gap(&mut self, index: usize) {
        let channel = &self.cursor.channels[index];
        let lost =
            Hole { first: channel.position + 1, last: self.table.slots[channel.slot].erased };
        let next = self.heap.peek().map_or(Seq::MAX, |Reverse((next, ..))| *next);
        self.push_gap(index, lost, lost.last.min(next - 1), false, false);
        let channel = &mut self.cursor.channels[index];
        channel.seek(self.table);
    }

    /// Moves all channels of the portion over a hole. Other channels may have messages inside it,
    /// so the cursor stays before them.
    fn push_hole_gaps(&mut self, hole: Hole) {
        let channels = &self.cursor.channels;
        let inside =
            |index: &usize| channels[*index].in_portion && channels[*index].position < hole.last;
        let inside: Vec<usize> = (0..channels.len()).filter(inside).collect();
        let next = self.heap.peek().map_or(Seq::MAX, |Reverse((next, ..))| *next);
        let last = inside.last().copied();
        for index in inside {
            let first = hole.first.max(self.cursor.channels[index].position + 1);
            let position = if Some(index) == last { hole.last.min(next - 1) } else { 0 };
            self.push_gap(index, Hole { first, ..hole }, position, false, false);
        }
    }

    /// Reports a gap, and moves the cursor to `position`. Several channels may have gaps that end
    /// at the same seq: only the last of them moves the cursor, so that a reader that resumes in
    /// between gets the other gaps again.
    fn push_gap(&mut self, index: usize, lost: Hole, position: Seq, certain: bool, live: bool) {
        let channel = &mut self.cursor.channels[index];
        let slot = &self.table.slots[channel.slot];
        channel.pass(lost.last, self.table);
        channel.ended = slot.has_ended_at(lost.last);
        self.ended = self.cursor.has_ended();
        self.cursor.position = self.cursor.position.max(position);
        let gap = Gap {
            id: self.table.id(self.cursor.position),
            channel: slot.name.clone(),
            first: Some(lost.first),
            last: Some(lost.last),
            certain,
        };
        self.items.push(Item { kind: ItemKind::Gap(gap, slot.rules.slow_reader), live });
    }

    /// Stops at a channel whose next messages only the engine has.
    fn behind(&self, index: usize) -> Progress {
        let policy = |slot: usize| self.table.slots[slot].rules.slow_reader;
        let channel = &self.cursor.channels[index];
        if channel.caught_up && policy(channel.slot) == SlowReader::Disconnect {
            return Progress::Overtaken;
        }
        let behind = || {
            let channels = self.cursor.channels.iter();
            channels.filter(|channel| channel.needs_engine(self.table))
        };
        let slot = |slot: usize| &self.table.slots[slot];
        let wanted = |channel: &ChannelCursor| {
            let slot = slot(channel.slot);
            (slot.name.clone(), channel.position.max(slot.erased))
        };
        let floors = behind().map(|channel| slot(channel.slot).ring.floor().seq);
        Progress::Behind(ReadRequest {
            channels: behind().map(wanted).collect(),
            until: floors.max().unwrap_or_default(),
            limit: self.limit,
            user: self.reader.and_then(|reader| reader.user.clone()),
            address: self.reader.and_then(|reader| reader.address),
        })
    }

    /// Moves channels without an item up to the cursor. A channel that still has a gap to report
    /// stays before it, so that the gap is complete.
    fn align_channels(&mut self) {
        let position = self.cursor.position;
        let hole = self.older.as_mut().and_then(|older| older.next_hole(&self.cursor.channels));
        let before_hole = hole.map_or(position, |hole| position.min(hole.first - 1));
        for channel in &mut self.cursor.channels {
            if std::mem::take(&mut channel.in_portion) {
                channel.pass(before_hole, self.table);
            } else if !channel.is_behind(self.table) {
                channel.pass(position, self.table);
            }
        }
    }
}
