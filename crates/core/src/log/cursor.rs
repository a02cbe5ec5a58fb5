//! A subscription's place in the log: reads its channels from there to the head, merged by seq.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use crate::{Epoch, Gap, Identity, Message, MessageId, Seq, SlowReader, log::table::Table};

/// What a reader finds next.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) what: What,
    /// It came while the reader was there.
    pub(crate) live: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Message(Arc<Message>),
    /// And what the channel's namespace has for readers that fall behind.
    Gap(Gap, SlowReader),
}

/// One channel of a cursor.
#[derive(Debug)]
pub(crate) struct Tap {
    /// The channel's slot in the table.
    pub(crate) slot: usize,
    /// Where its bell hangs in the channel's belfry; nothing hangs at the highest place.
    pub(crate) place: u64,
    /// Everything of this channel up to here has been read, or told as a gap.
    pub(crate) position: Seq,
    /// What was read last has ended the channel.
    pub(crate) ended: bool,
    /// Asked for by name; the user's own channel comes along unasked.
    pub(crate) asked: bool,
    /// It only tells of another channel, and keeps no stream open that all others have ended for.
    pub(crate) tells: bool,
    /// What lies above it was published while the reader was there.
    joined_at: Seq,
    /// Scratch of one read: index of the next message in the ring.
    next: usize,
}

impl Tap {
    pub(crate) fn new(slot: usize, position: Seq, asked: bool, joined_at: Seq) -> Self {
        let place = u64::MAX;
        Self { slot, place, position, ended: false, asked, tells: false, joined_at, next: 0 }
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

/// Where a channel has something next, and its place among the taps; the smallest first.
type Next = Reverse<(Seq, usize)>;

impl Cursor {
    pub(crate) fn new(position: Seq, taps: Vec<Tap>) -> Self {
        Self { position, taps: taps.into() }
    }

    /// Reads one more channel from here on. Where its history is read first, the place to resume from goes
    /// back to before that: whoever is cut in between reads something again, and loses nothing.
    pub(crate) fn add(&mut self, tap: Tap, position: Seq) {
        self.position = self.position.min(position);
        let mut taps = std::mem::take(&mut self.taps).into_vec();
        taps.push(tap);
        self.taps = taps.into();
    }

    /// Reads the channel at `index` no more.
    pub(crate) fn remove(&mut self, index: usize) -> Tap {
        let mut taps = std::mem::take(&mut self.taps).into_vec();
        let tap = taps.remove(index);
        self.taps = taps.into();
        tap
    }

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
        let mut nearest: BinaryHeap<Next> = BinaryHeap::with_capacity(self.taps.len());
        for (index, tap) in self.taps.iter_mut().enumerate() {
            tap.next = table.slots[tap.slot].ring.index_after(tap.position);
            nearest.extend(tap.next_seq(table).map(|seq| Reverse((seq, index))));
        }
        let (mut visited, mut bytes, mut complete) = (0, 0, false);
        let mut ended = self.has_ended();
        while visited < portion.messages && !ended {
            let Some(Reverse((seq, index))) = nearest.pop() else {
                self.position = self.position.max(table.watermark);
                complete = true;
                break;
            };
            let tap = &mut self.taps[index];
            let was = tap.ended;
            match tap.message(table) {
                None => {
                    let shared = nearest.peek().is_some_and(|Reverse((next, _))| *next == seq);
                    let live = seq > tap.joined_at;
                    let policy = table.slots[tap.slot].rules.slow_reader;
                    let what = What::Gap(self.read_gap(table, epoch, index, shared), policy);
                    items.push(Item { what, live });
                }
                Some(message) => {
                    let hidden = reader.is_some_and(|reader| message.is_hidden_from(reader));
                    let size = message.draft.data.as_bytes().len();
                    if !hidden && bytes > 0 && bytes + size > portion.bytes {
                        break;
                    }
                    let live = seq > tap.joined_at;
                    let ends = live || table.slots[tap.slot].ended_by(seq);
                    tap.ended = message.draft.end && ends;
                    tap.position = seq;
                    tap.next += 1;
                    self.position = self.position.max(seq);
                    if !hidden {
                        bytes += size.max(1);
                        items.push(Item { what: What::Message(Arc::clone(message)), live });
                    }
                }
            }
            visited += 1;
            let tap = &self.taps[index];
            nearest.extend(tap.next_seq(table).map(|seq| Reverse((seq, index))));
            ended = if tap.ended != was { self.has_ended() } else { ended };
        }
        for tap in &mut self.taps {
            // A tap that still has a gap to tell keeps its place, so that the gap is told whole.
            if table.slots[tap.slot].ring.floor().seq <= tap.position {
                tap.position = tap.position.max(self.position);
            }
        }
        complete || ended
    }

    /// Everything up to `seq` has been read, on all channels.
    pub(crate) fn skip_to(&mut self, seq: Seq) {
        self.position = self.position.max(seq);
        for tap in &mut self.taps {
            tap.position = tap.position.max(seq);
        }
    }

    /// Moves the tap at `index` over what its channel has lost. Forgotten channels may share a
    /// floor: only the last of them moves the cursor, so that whoever resumes in between is told
    /// the others again.
    fn read_gap(&mut self, table: &Table, epoch: Epoch, index: usize, shared: bool) -> Gap {
        let tap = &mut self.taps[index];
        let channel = &table.slots[tap.slot];
        let floor = channel.ring.floor();
        let first = tap.position + 1;
        tap.position = floor.seq;
        tap.ended = channel.ended_by(floor.seq);
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
    pub(crate) fn has_partly_ended(&self) -> bool {
        self.taps.iter().any(|tap| tap.ended)
    }

    /// Whether every channel that was asked for has ended for this reader. Who has left all of them waits
    /// for what it will ask for; a presence channel has no end of its own.
    pub(crate) fn has_ended(&self) -> bool {
        let mut asked = self.taps.iter().filter(|tap| tap.asked && !tap.tells).peekable();
        asked.peek().is_some() && asked.all(|tap| tap.ended)
    }
}

impl Tap {
    /// The next message; `None` when a gap has to be told first, or there is nothing.
    fn message<'a>(&self, table: &'a Table) -> Option<&'a Arc<Message>> {
        let ring = &table.slots[self.slot].ring;
        if ring.floor().seq > self.position { None } else { ring.get(self.next) }
    }

    /// The seq at which this channel has something to tell next: a gap or a message.
    fn next_seq(&self, table: &Table) -> Option<Seq> {
        let lost = table.slots[self.slot].ring.floor().seq;
        if lost > self.position {
            return Some(lost);
        }
        self.message(table).map(|message| message.id.seq)
    }
}
