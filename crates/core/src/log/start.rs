//! Start points: a reader starts at the head, at the oldest message, at the newest n, or where it
//! left off.

use std::collections::HashMap;

use crate::{
    ChannelName, Gap, Hole, Kind, Located, MessageId, NotRecovered, Problem, Seq,
    log::{channel_cursor::ChannelCursor, ring::Ring, table::Table},
};

/// The engine's answers about channels that a reader is about to join.
pub(crate) type LocatedChannels = HashMap<ChannelName, Located>;

/// The point from which a reader reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Only new messages.
    Latest,
    /// All messages that are left.
    Earliest,
    /// This many of the newest messages of each channel.
    Newest(usize),
    /// The messages after this one. If this log cannot have issued the id, the same as `Foreign`.
    After(MessageId),
    /// All messages that are left, after a gap of unknown extent: the reader has a resume point
    /// that this log has not issued, such as an id of another server.
    Foreign,
    /// As one of these, but without the parts of folds until now: a snapshot of what is under way
    /// is read in their place. A reader that resumes asks for it again, because it may have been
    /// cut before it had the snapshot.
    Compact(CompactStart),
}

/// The point from which a reader reads compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactStart {
    /// As [`Start::Earliest`].
    Earliest,
    /// As [`Start::After`].
    After(MessageId),
    /// As [`Start::Foreign`].
    Foreign,
}

/// More than any channel holds.
const NEWEST_MAX: usize = 1_000_000_000;

/// The error for a text that is no valid `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("since is earliest, latest, compact, or a number of newest messages")]
pub struct BadSince;

impl Problem for BadSince {
    fn kind(&self) -> Kind {
        Kind::BadResume
    }
}

/// Parses the value of `since`, in a query or a command.
impl std::str::FromStr for Start {
    type Err = BadSince;

    fn from_str(text: &str) -> Result<Self, BadSince> {
        match text {
            "earliest" => Ok(Start::Earliest),
            "latest" => Ok(Start::Latest),
            "compact" => Ok(Start::Compact(CompactStart::Earliest)),
            _ => match text.parse() {
                Ok(newest) if newest <= NEWEST_MAX => Ok(Start::Newest(newest)),
                _ => Err(BadSince),
            },
        }
    }
}

/// A start point, resolved for some channels of a table.
pub(crate) struct ResolvedStart {
    /// The cursor to start from.
    pub(crate) position: Seq,
    /// The position in each channel; the reader does not need anything up to it.
    pub(crate) positions: Vec<Seq>,
    /// The reason that the reader does not continue where it left off.
    pub(crate) not_recovered: Option<NotRecovered>,
    /// Whether it reads everything that is left.
    has_everything: bool,
    is_compact: bool,
    /// What the reader has not read and may not see any more; the indexes are of channels.
    pub(crate) hidden: Vec<(usize, Hole)>,
}

/// A start point, resolved for one channel.
pub(crate) struct ResolvedOne {
    pub(crate) position: Seq,
    /// Whether this log has not issued the resume point.
    pub(crate) is_foreign: bool,
    /// What the reader has not read and may not see any more.
    pub(crate) hidden: Option<Hole>,
}

impl ResolvedStart {
    /// Returns the gaps of what is hidden from a reader of `channels`.
    pub(crate) fn hidden_gaps(&self, channels: &[ChannelName], table: &Table) -> Vec<Gap> {
        let gap = |(index, hole): &(usize, Hole)| Gap {
            id: table.id(self.position),
            channel: channels[*index].clone(),
            first: Some(hole.first),
            last: Some(hole.last),
            certain: false,
        };
        self.hidden.iter().map(gap).collect()
    }

    /// Whether this log has not issued the resume point.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.not_recovered, Some(NotRecovered::Epoch | NotRecovered::Foreign))
    }

    /// Makes the cursor in the channel at `index`, in `slot`.
    pub(crate) fn channel_cursor(
        &self,
        index: usize,
        slot: usize,
        table: &Table,
        explicit: bool,
    ) -> ChannelCursor {
        let position = self.positions[index];
        let mut cursor = ChannelCursor::new(slot, position, explicit, table.watermark);
        let resumes = matches!(self.not_recovered, None | Some(NotRecovered::Evicted));
        cursor.ended = resumes && table.slots[slot].has_ended_at(position);
        cursor.is_presence = table.slots[slot].name.is_presence();
        // What has left the ring of an answer under way is left, as long as its fold is open.
        cursor.snapshot_due = self.has_everything;
        if self.is_compact {
            cursor.begin_compact(table.watermark);
        }
        cursor
    }
}

impl Start {
    /// Whether parts of folds are left out.
    pub fn is_compact(self) -> bool {
        matches!(self, Start::Compact(_))
    }

    /// Whether the reader continues where it left off, or tries to.
    pub fn resumes(self) -> bool {
        matches!(self.plain(), Start::After(_) | Start::Foreign)
    }

    /// Returns the same point for a reader that reads compact, if that is possible there.
    #[must_use]
    pub fn compacted(self) -> Self {
        match self {
            Start::Earliest => Start::Compact(CompactStart::Earliest),
            Start::After(id) => Start::Compact(CompactStart::After(id)),
            Start::Foreign => Start::Compact(CompactStart::Foreign),
            Start::Latest | Start::Newest(_) | Start::Compact(_) => self,
        }
    }

    /// Whether the reader reads everything that is left, or what stands for it.
    pub(super) fn has_everything(self) -> bool {
        self.is_compact() || matches!(self, Start::Earliest | Start::Foreign)
    }

    /// Returns the same point for a reader that reads everything.
    fn plain(self) -> Self {
        match self {
            Start::Compact(CompactStart::Earliest) => Start::Earliest,
            Start::Compact(CompactStart::After(id)) => Start::After(id),
            Start::Compact(CompactStart::Foreign) => Start::Foreign,
            other => other,
        }
    }

    /// Returns the seq after which a reader resumes, or why it cannot; `None` if it starts without
    /// an id.
    pub(crate) fn resume_seq(self, table: &Table) -> Option<Result<Seq, NotRecovered>> {
        match self.plain() {
            Start::After(id) => Some(table.seq_of(id)),
            Start::Foreign => Some(Err(NotRecovered::Foreign)),
            _ => None,
        }
    }

    /// Resolves the start point for the channels in `slots`. `located` has an answer of the engine
    /// for each channel about which it was asked.
    pub(crate) fn resolve(
        self,
        table: &Table,
        slots: &[usize],
        located: &LocatedChannels,
        now: u64,
    ) -> ResolvedStart {
        let hidden_in = |slot: usize| table.hidden_up_to(&table.slots[slot].name, located, now);
        let rings = || slots.iter().map(|slot| &table.slots[*slot].ring);
        let head = table.watermark;
        let same = |seq: Seq| vec![seq; slots.len()];
        let resume = self.resume_seq(table);
        let mut hidden = Vec::new();
        let (position, positions, not_recovered) = match (self, resume) {
            (Start::Latest, _) => (head, same(head), Some(NotRecovered::Fresh)),
            (_, Some(Ok(seq))) => {
                let mut positions = same(seq);
                for (index, slot) in slots.iter().enumerate() {
                    let last = hidden_in(*slot);
                    if seq < last {
                        positions[index] = last;
                        hidden.push((index, Hole { first: seq + 1, last }));
                    }
                }
                let is_lost = |(slot, after): (&usize, &Seq)| table.may_have_lost(*slot, *after);
                let lost = !hidden.is_empty() || slots.iter().zip(&positions).any(is_lost);
                (seq, positions, lost.then_some(NotRecovered::Evicted))
            }
            (_, resume) => {
                let newest = match self {
                    Start::Newest(n) => n,
                    _ => usize::MAX,
                };
                let before = |slot: &usize| {
                    before_newest(table, *slot, newest, located).max(hidden_in(*slot))
                };
                let mut positions: Vec<Seq> = slots.iter().map(before).collect();
                let has_everything = self.has_everything();
                let first_of = |(ring, after): (&Ring, &Seq)| {
                    let held = match *after < ring.floor().seq {
                        true => Some(*after + 1),
                        false => ring.iter_after(*after).next().map(|message| message.id.seq),
                    };
                    let is_due = has_everything && !ring.folds().is_empty();
                    let is_read = |folded: &Seq| *folded > 0 && (is_due || folded > after);
                    let folded = Some(ring.folded()).filter(is_read);
                    held.into_iter().chain(folded).min()
                };
                let first = rings().zip(&positions).filter_map(first_of).min();
                let reason = resume.and_then(Result::err).unwrap_or(NotRecovered::Fresh);
                let position = first.map_or(head, |seq| seq - 1);
                // Nothing lies in between, and what is lost there later is not this reader's loss.
                positions.iter_mut().for_each(|after| *after = position.max(*after));
                (position, positions, Some(reason))
            }
        };
        let has_everything = self.has_everything() || not_recovered == Some(NotRecovered::Epoch);
        let is_compact = self.is_compact();
        ResolvedStart { position, positions, not_recovered, has_everything, is_compact, hidden }
    }
}

impl Start {
    /// Resolves the start point for one channel, whether it is in the table or not.
    pub(crate) fn resolve_one(
        self,
        table: &Table,
        channel: &ChannelName,
        located: &LocatedChannels,
        now: u64,
    ) -> ResolvedOne {
        if let Some(slot) = table.find(channel) {
            let resolved = self.resolve(table, &[slot], located, now);
            let hidden = resolved.hidden.first().map(|(_, hole)| *hole);
            let is_foreign = resolved.is_foreign();
            return ResolvedOne { position: resolved.positions[0], is_foreign, hidden };
        }
        let (position, is_foreign) = self.resolve_absent(table, channel, located);
        let last = match self {
            Start::Latest => 0,
            _ => table.hidden_up_to(channel, located, now),
        };
        let resumes = matches!(self.resume_seq(table), Some(Ok(_)));
        let hidden = (resumes && position < last).then(|| Hole { first: position + 1, last });
        ResolvedOne { position: position.max(last), is_foreign, hidden }
    }

    /// Resolves the start point for a channel that is not in the table: the position, and whether
    /// this log has not issued the resume point.
    fn resolve_absent(
        self,
        table: &Table,
        channel: &ChannelName,
        located: &LocatedChannels,
    ) -> (Seq, bool) {
        let floor = table.floor(channel).seq;
        let oldest = match &table.extent {
            Some(extent) if table.stores(channel) => extent.after.min(floor),
            _ => floor,
        };
        match (self, self.resume_seq(table)) {
            (Start::Latest, _) => (table.watermark, false),
            (Start::Newest(_), _) => (located.get(channel).map_or(floor, |at| at.after), false),
            (_, Some(Ok(seq))) => (seq, false),
            (_, Some(Err(_))) => (oldest, true),
            (_, None) => (oldest, false),
        }
    }
}

/// Returns the position after which the channel in `slot` has exactly its newest `n` messages.
fn before_newest(table: &Table, slot: usize, n: usize, located: &LocatedChannels) -> Seq {
    let channel = &table.slots[slot];
    let ring = &channel.ring;
    match ring.before_newest(n) {
        Some(before) => before,
        None if n == usize::MAX => table.oldest_position(slot),
        None => {
            let after = located.get(&channel.name).map(|located| located.after);
            let floor = ring.floor().seq;
            after.filter(|_| table.is_stored(slot)).map_or(floor, |after| after.min(floor))
        }
    }
}
