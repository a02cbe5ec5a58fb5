//! The ring buffer of a channel: its newest messages, and the floor below which they are gone.
//!
//! Parts of folds may leave it before older messages do, because their fold covers them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{Bounds, Message, Part, PartStep, Seq, fold::open::OpenFolds};

/// The most parts of each open fold that the ring holds, for readers that are a little behind.
const PARTS: usize = 256;
/// The most bytes of memory that they occupy for each open fold.
const PART_BYTES: usize = 64 * 1024;

/// The floor of a channel's history: messages at or below `seq` are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) seq: Seq,
    /// Whether there was such a message; `false` if the channel's tombstone is gone too, so that
    /// there may have been none.
    pub(crate) certain: bool,
}

/// The newest messages of one channel, in order of their seq.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    messages: VecDeque<Arc<Message>>,
    /// Bytes of data, parts left out.
    bytes: usize,
    floor: Floor,
    /// The newest part of a fold that has left; all parts above this are here.
    folded: Seq,
    /// How many of the messages are parts of folds, and the memory that these occupy.
    parts: usize,
    part_bytes: usize,
    folds: OpenFolds,
}

impl Ring {
    pub(crate) fn new(floor: Floor) -> Self {
        Self { floor, ..Self::default() }
    }

    pub(crate) fn floor(&self) -> Floor {
        self.floor
    }

    /// Returns the seq above which no message is missing, covered or not.
    pub(crate) fn complete_after(&self) -> Seq {
        self.floor.seq.max(self.folded)
    }

    /// Returns the seq of the newest part of a fold that has left.
    pub(crate) fn folded(&self) -> Seq {
        self.folded
    }

    pub(crate) fn folds(&self) -> &OpenFolds {
        &self.folds
    }

    pub(crate) fn folds_mut(&mut self) -> &mut OpenFolds {
        &mut self.folds
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the seq of the newest message that the ring ever had.
    pub(crate) fn newest(&self) -> Seq {
        self.messages.back().map_or(self.complete_after(), |last| last.id.seq.max(self.folded))
    }

    pub(crate) fn oldest(&self) -> Option<&Arc<Message>> {
        self.messages.front()
    }

    /// Returns how many messages it holds that are no parts of folds.
    pub(crate) fn count(&self) -> usize {
        self.messages.len() - self.parts
    }

    /// Appends `message`, and evicts messages that no longer fit; returns how many have left. Parts
    /// of folds never evict another message.
    pub(crate) fn push(&mut self, message: Arc<Message>, bounds: &Bounds) -> usize {
        let now = message.time;
        let before = self.messages.len() + 1;
        match message.fold {
            Some(_) => {
                self.parts += 1;
                self.part_bytes += part_size(&message);
            }
            None => self.bytes += size(&message),
        }
        let part = message.draft.part.clone();
        self.messages.push_back(message.clone());
        self.expire(now, bounds.age);
        while self.count() > bounds.messages || self.bytes > bounds.bytes {
            self.evict();
        }
        if let Some(part) = part {
            self.step(&part, message);
        }
        before - self.messages.len()
    }

    fn step(&mut self, part: &Part, message: Arc<Message>) {
        match part.step {
            PartStep::Begin => self.folds.begin(&part.key, message),
            PartStep::Add => self.fold_old_parts(),
            PartStep::End => self.folds.end(&part.key, message.id.seq),
        }
    }

    /// Folds the oldest half of the parts, once there are too many.
    fn fold_old_parts(&mut self) {
        let open = self.folds.len().max(1);
        let is_few = self.parts < PARTS * open && self.part_bytes < PART_BYTES * open;
        if is_few {
            return;
        }
        let parts = self.messages.iter().filter(|message| message.fold.is_some());
        if let Some(last) = parts.take(self.parts.div_ceil(2)).last() {
            self.fold_up_to(last.id.seq);
        }
    }

    /// Removes all parts up to `seq`, from the middle too; returns how many.
    pub(crate) fn fold_up_to(&mut self, seq: Seq) -> usize {
        let before = self.messages.len();
        let mut messages = std::mem::take(&mut self.messages);
        let old = messages.partition_point(|message| message.id.seq <= seq);
        let newer = messages.split_off(old);
        for message in messages {
            match message.fold {
                Some(_) => self.fold(&message),
                None => self.messages.push_back(message),
            }
        }
        self.messages.extend(newer);
        before - self.messages.len()
    }

    /// Takes in a part that leaves the ring.
    fn fold(&mut self, part: &Arc<Message>) {
        self.parts -= 1;
        self.part_bytes -= part_size(part);
        self.folded = self.folded.max(part.id.seq);
        if let Some(member) = part.fold.as_ref().filter(|member| member.ended().is_none()) {
            self.folds.add(member, part.clone());
        }
    }

    /// Returns the seq of the newest part from before `time` (milliseconds) whose fold has ended.
    pub(crate) fn newest_ended_part(&self, time: u64) -> Option<Seq> {
        if self.parts == 0 {
            return None;
        }
        let is_ended = |message: &&Arc<Message>| {
            let fold = message.fold.as_ref();
            message.time < time && fold.is_some_and(|fold| fold.ended().is_some())
        };
        self.messages.iter().rev().find(is_ended).map(|message| message.id.seq)
    }

    /// Returns the seq of the newest part of a fold up to and including `seq`, here or gone; 0 if
    /// there is none.
    pub(crate) fn newest_part_up_to(&self, seq: Seq) -> Seq {
        // Most rings have no parts, and need not be searched for them.
        let held = (self.parts > 0).then(|| self.parts_up_to(seq).last()).flatten();
        held.map_or(0, |part| part.id.seq).max(self.folded)
    }

    /// Returns the parts of folds that it holds up to and including `seq`.
    pub(crate) fn parts_up_to(&self, seq: Seq) -> impl Iterator<Item = &Arc<Message>> {
        let upto = self.messages.iter().take_while(move |message| message.id.seq <= seq);
        upto.filter(|message| message.fold.is_some())
    }

    /// Evicts messages older than `age` at `now` (milliseconds); returns how many.
    pub(crate) fn expire(&mut self, now: u64, age: Duration) -> usize {
        let limit = now.saturating_sub(age.as_millis() as u64);
        let mut evicted = 0;
        while self.messages.front().is_some_and(|oldest| oldest.time < limit) {
            self.evict();
            evicted += 1;
        }
        if self.messages.is_empty() && evicted > 0 {
            self.messages.shrink_to_fit();
        }
        evicted
    }

    /// Evicts the oldest message, or folds it; returns the bytes of memory that it occupied.
    pub(crate) fn evict(&mut self) -> usize {
        let Some(oldest) = self.messages.pop_front() else {
            return 0;
        };
        match oldest.fold {
            Some(_) => self.fold(&oldest),
            None => {
                self.bytes -= size(&oldest);
                self.raise_floor(oldest.id.seq);
            }
        }
        oldest.memory_bytes()
    }

    fn raise_floor(&mut self, seq: Seq) {
        self.floor = Floor { seq, certain: true };
    }

    /// Sets the floor of an empty ring, which may be lower than before: another epoch has begun.
    pub(crate) fn restart(&mut self, floor: Floor) {
        debug_assert!(self.messages.is_empty(), "its messages belong to another epoch");
        self.folds.clear();
        self.floor = floor;
        self.folded = 0;
    }

    /// Evicts all messages up to `seq`, and raises the floor to `seq` even if there was none.
    pub(crate) fn evict_up_to(&mut self, seq: Seq) {
        while self.messages.front().is_some_and(|oldest| oldest.id.seq <= seq) {
            self.evict();
        }
        if seq > self.floor.seq {
            self.raise_floor(seq);
        }
    }

    /// Returns the index of the first message above `seq`. Most readers are at the head or close to
    /// it, and each message that is compared may cost a cache miss, so the search gallops from the
    /// newest message backwards.
    pub(crate) fn index_after(&self, seq: Seq) -> usize {
        let is_above = |index: usize| self.messages[index].id.seq > seq;
        let (mut low, mut high, mut step) = (self.messages.len(), self.messages.len(), 1);
        while low > 0 && is_above(low - 1) {
            high = low - 1;
            low = low.saturating_sub(step);
            step *= 2;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if is_above(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// Returns the index of the first message that was published at `time` or later.
    pub(crate) fn index_since(&self, time: u64) -> usize {
        self.messages.partition_point(|message| message.time < time)
    }

    /// Returns the message with this seq, if it holds that.
    pub(crate) fn find(&self, seq: Seq) -> Option<&Arc<Message>> {
        let index = self.messages.binary_search_by_key(&seq, |message| message.id.seq).ok()?;
        self.messages.get(index)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Message>> {
        self.messages.get(index)
    }

    /// Returns the position before the newest `n` messages, if it holds as many. Parts of folds are
    /// not counted.
    pub(crate) fn before_newest(&self, n: usize) -> Option<Seq> {
        let older = self.count().checked_sub(n)?;
        let first = match self.parts {
            _ if n == 0 => return Some(self.newest()),
            0 => older,
            _ => {
                let is_counted = |index: &usize| self.messages[*index].fold.is_none();
                (0..self.messages.len()).rev().filter(is_counted).nth(n - 1)?
            }
        };
        let before = first.checked_sub(1).map(|index| self.messages[index].id.seq);
        Some(before.unwrap_or(self.floor.seq))
    }

    pub(crate) fn iter_after(&self, seq: Seq) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.range(self.index_after(seq)..)
    }
}

/// The memory of a part, encodings left out.
fn part_size(part: &Message) -> usize {
    size_of::<Message>() + size(part)
}

fn size(message: &Message) -> usize {
    message.draft.data.as_bytes().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Data, Draft, Stored, message::memory::MemoryBudget};

    #[test]
    fn index_after_finds_the_first_message_above_any_seq() {
        let memory = Arc::new(MemoryBudget::new(1 << 20));
        let message = |seq| {
            let channel = "a".parse().expect("a channel");
            let draft = Draft::new(channel, Data::Text(String::new()));
            let stored = Stored { seq, time: 0, online: None, draft };
            Arc::new(Message::new("test".parse().expect("an epoch"), stored, None, &memory))
        };
        let bounds = Bounds { messages: 100, bytes: 1 << 20, age: Duration::from_secs(1) };
        for length in 0..40_u64 {
            let mut ring = Ring::new(Floor::default());
            (0..length).for_each(|n| {
                ring.push(message(3 * n + 5), &bounds);
            });
            for seq in 0..130 {
                let naive = (0..length).filter(|n| 3 * n + 5 <= seq).count();
                assert_eq!(ring.index_after(seq), naive, "{length} messages, after {seq}");
            }
        }
    }
}
