//! A part of the log, as a reader gets it.

use tricast_core::Seq;

use crate::record::Record;

/// How much a reader takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortionLimit {
    /// The most records.
    pub messages: usize,
    /// The most bytes of records, as they stand on the disk. One record is read even if it has
    /// more.
    pub bytes: u64,
}

/// A part of the log: all that it has of some channels after one seq and up to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// The records, by their seq.
    pub records: Vec<Record>,
    /// The portion begins after this seq.
    pub after: Seq,
    /// The portion ends with this seq: the next one begins after it.
    pub upto: Seq,
    /// Seqs up to this one were let go by retention. If it is above `after`, messages between the
    /// two may have been there.
    pub floor: Seq,
    /// Seqs between `after` and `upto` that may have been messages and are lost: the first and the
    /// last of each range, in order.
    pub holes: Vec<(Seq, Seq)>,
    /// Whether there may be more after `upto`.
    pub more: bool,
}

impl Portion {
    /// Keeps of the holes what is inside, in order and joined.
    pub(crate) fn settle_holes(&mut self) {
        let (after, upto) = (self.after.max(self.floor), self.upto);
        self.holes.sort_unstable();
        let mut joined: Vec<(Seq, Seq)> = Vec::new();
        for (from, to) in self.holes.drain(..) {
            let (from, to) = (from.max(after + 1), to.min(upto));
            match joined.last_mut() {
                _ if from > to => {}
                Some((_, end)) if from <= *end + 1 => *end = to.max(*end),
                _ => joined.push((from, to)),
            }
        }
        self.holes = joined;
    }
}
