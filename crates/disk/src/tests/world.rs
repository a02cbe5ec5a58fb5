//! What the readers and publishers of a log know, and what has to hold of the log for them.

use std::collections::{BTreeMap, BTreeSet};

use tricast_core::{ChannelName, Seq};

use crate::{Opened, PortionLimit, Reader, Record, contents::Erasure};

/// What is known outside of the log.
#[derive(Clone, Default)]
pub(super) struct World {
    /// Records that somebody may have seen.
    pub(super) shown: BTreeMap<Seq, Record>,
    /// Erasures that somebody may have been told of.
    pub(super) erasures: BTreeMap<Seq, Record>,
    /// Records that may be there after the next start, or not.
    pub(super) unknown: BTreeMap<Seq, Record>,
    /// Records that were promised to last.
    pub(super) promised: BTreeSet<Seq>,
    /// The highest seq that somebody may have seen, of a record or not.
    pub(super) given: Seq,
    /// The highest floor that was told.
    pub(super) floor: Seq,
    /// Whether the floor may be higher than was told: letting go failed.
    pub(super) floor_unknown: bool,
    /// What was kept of who was online, if the last life ended clean.
    pub(super) presence: Option<Vec<u8>>,
    /// What was told to be lost.
    pub(super) holes: Vec<(Seq, Seq)>,
    /// It may also be gone: the end or an opening after it failed.
    pub(super) presence_unsure: bool,
    /// An opening that failed may have cut what a flipped bit made look like half a record.
    pub(super) cut_unsure: bool,
    /// Only processes died since the last opening.
    pub(super) same_boot: bool,
    /// A bit of a segment was flipped, at any time.
    pub(super) damaged: bool,
    /// Since the last opening a bit was flipped.
    pub(super) just_damaged: bool,
    /// What was not durable may be lost: power failed, or the disk.
    pub(super) may_lose: bool,
}

/// All of a log.
pub(super) struct There {
    pub(super) records: BTreeMap<Seq, Record>,
    /// Of each erasure the channel, and the last seq that it erases.
    pub(super) erasures: BTreeMap<Seq, (ChannelName, Seq)>,
    pub(super) holes: Vec<(Seq, Seq)>,
}

pub(super) fn channel(n: u8) -> ChannelName {
    format!("c{n}").parse().expect("a name")
}

/// As it was given to the log, which may know of more seqs that were skipped.
fn as_given(mut record: Record) -> Record {
    record.skipped = 0;
    record
}

/// Reads all records after `after` in portions of a few, of some channels or of all.
pub(super) fn read(
    reader: &Reader,
    channels: Option<&[ChannelName]>,
    after: Seq,
    limit: PortionLimit,
) -> There {
    let mut there =
        There { records: BTreeMap::new(), erasures: erasures(reader), holes: Vec::new() };
    let (mut at, mut last) = (after, after);
    loop {
        let portion = match channels {
            Some(channels) => reader.read(channels, at, Seq::MAX, limit),
            None => reader.scan(at, limit),
        };
        let portion = portion.expect("reads");
        assert_eq!(portion.after, at);
        for record in portion.records {
            assert!(record.seq > last && record.seq <= portion.upto, "order at {}", record.seq);
            last = record.seq;
            there.records.insert(record.seq, as_given(record));
        }
        for (from, to) in &portion.holes {
            assert!(*from > at && to <= &portion.upto && from <= to, "a hole outside");
        }
        there.holes.extend(portion.holes);
        assert!(portion.upto > at || !portion.more, "no progress at {at}");
        at = portion.upto;
        if !portion.more {
            assert_eq!(at, reader.head().max(after), "the end");
            return there;
        }
    }
}

/// All erasures, by their seq.
fn erasures(reader: &Reader) -> BTreeMap<Seq, (ChannelName, Seq)> {
    let segments = reader.shared.segments();
    let summaries = segments.iter().map(|segment| segment.summary());
    let all: Vec<Erasure> = summaries.flat_map(|it| Vec::clone(&it.erasures)).collect();
    all.into_iter().map(|Erasure { channel, seq, upto }| (seq, (channel, upto))).collect()
}

/// What a record erases.
fn erased_by(record: &Record) -> Option<(ChannelName, Seq)> {
    record.erases.map(|upto| (record.channel.clone(), upto))
}

fn is_in(holes: &[(Seq, Seq)], seq: Seq) -> bool {
    holes.iter().any(|(from, to)| (*from..=*to).contains(&seq))
}

impl World {
    /// Notes that an opening failed, at any point.
    pub(super) fn not_opened(&mut self) {
        self.presence_unsure = true;
        self.cut_unsure |= self.just_damaged && self.same_boot;
    }

    /// Checks a log that was just opened, and notes that readers see it.
    pub(super) fn opened(&mut self, reader: &Reader, opened: &Opened, rng: &mut fastrand::Rng) {
        assert!(opened.head >= self.given, "{} can be given again", self.given);
        assert_eq!(opened.head, reader.head());
        if let Some((from, to)) = opened.lost
            && !self.may_lose
            && !self.just_damaged
        {
            let before = self.holes.iter().any(|(a, b)| *a <= from && to <= *b);
            assert!(before, "a false gap: {from} to {to}");
        }
        let cut_now = self.just_damaged && self.same_boot && opened.torn;
        let last_may_be_gone = std::mem::take(&mut self.cut_unsure) || cut_now;
        let there = self.check(reader, rng, last_may_be_gone);
        if !self.damaged {
            for (from, to) in &there.holes {
                let before = self.holes.iter().any(|(a, b)| a <= from && to <= b);
                assert!(before || self.may_lose, "a false gap: {from} to {to}");
            }
        }
        assert!(self.floor_unknown || opened.floor == self.floor, "floor {}", opened.floor);
        let presence = self.presence.take();
        let unsure = std::mem::take(&mut self.presence_unsure) && opened.presence.is_none();
        assert!(unsure || opened.presence == presence, "what was kept of who was online");
        (self.floor, self.floor_unknown) = (opened.floor, false);
        self.given = opened.head;
        self.holes = there.holes;
        self.shown = there.records;
        let of = |seq: &Seq| self.erasures.get(seq).or_else(|| self.unknown.get(seq)).cloned();
        self.erasures = there.erasures.keys().filter_map(|seq| Some((*seq, of(seq)?))).collect();
        self.unknown.clear();
        let is_there = |seq: &Seq| self.shown.contains_key(seq) || self.erasures.contains_key(seq);
        self.promised.retain(is_there);
        (self.may_lose, self.just_damaged, self.same_boot) = (false, false, true);
    }

    /// Checks what readers get, whatever they ask for.
    pub(super) fn check(
        &self,
        reader: &Reader,
        rng: &mut fastrand::Rng,
        last_may_be_gone: bool,
    ) -> There {
        let limit = PortionLimit { messages: rng.usize(1..80), bytes: rng.u64(0..20_000) };
        let there = read(reader, None, 0, limit);
        let floor = reader.floor();
        assert!(floor >= self.floor, "the floor fell from {} to {floor}", self.floor);
        for (seq, found) in &there.records {
            let known = self.shown.get(seq).or_else(|| self.unknown.get(seq));
            assert_eq!(known, Some(found), "{seq} is another message");
            assert!(*seq > floor, "{seq} was let go, and is there again");
        }
        let last = there.records.keys().chain(there.erasures.keys()).max().copied().unwrap_or(0);
        self.check_erasures(reader, &there, last, last_may_be_gone);
        for seq in self.shown.keys().filter(|seq| **seq > floor) {
            // A flipped bit of the last record can look like a write that was cut off.
            let excused = last_may_be_gone && *seq > last;
            let told = there.records.contains_key(seq) || is_in(&there.holes, *seq) || excused;
            assert!(told, "{seq} was seen, and is lost in silence");
            let kept = !self.promised.contains(seq) || self.damaged;
            assert!(kept || there.records.contains_key(seq), "{seq} was promised");
        }
        self.check_channels(reader, &there, limit, rng);
        there
    }

    fn check_erasures(&self, reader: &Reader, there: &There, last: Seq, last_may_be_gone: bool) {
        let floor = reader.floor();
        for (seq, found) in &there.erasures {
            let known = self.erasures.get(seq).or_else(|| self.unknown.get(seq));
            assert_eq!(known.and_then(erased_by).as_ref(), Some(found), "the erasure {seq}");
        }
        for seq in self.erasures.keys().filter(|seq| **seq > floor) {
            let is_there = there.erasures.contains_key(seq);
            let excused = last_may_be_gone && *seq > last;
            let told = is_there || is_in(&there.holes, *seq) || excused;
            assert!(told, "the erasure {seq} is lost in silence");
            let kept = is_there || !self.promised.contains(seq) || self.damaged;
            assert!(kept, "the erasure {seq} was promised");
        }
        let erased: BTreeMap<ChannelName, Seq> = reader.erased().into_iter().collect();
        for (channel, upto) in there.erasures.values().filter(|(_, upto)| *upto > floor) {
            assert!(erased.get(channel) >= Some(upto), "{channel} is erased up to {upto}");
        }
    }

    fn check_channels(
        &self,
        reader: &Reader,
        there: &There,
        limit: PortionLimit,
        rng: &mut fastrand::Rng,
    ) {
        let channels: Vec<ChannelName> = (0..5).map(channel).collect();
        let some = &channels[rng.usize(0..4)..];
        let after = rng.u64(0..=there.records.keys().next_back().copied().unwrap_or(0));
        let found = read(reader, Some(some), after, limit);
        for (seq, record) in there.records.range(after + 1..) {
            let is_here = found.records.contains_key(seq) || is_in(&found.holes, *seq);
            assert_eq!(is_here, some.contains(&record.channel) || is_in(&found.holes, *seq));
        }
        assert!(found.records.iter().all(|(seq, record)| there.records.get(seq) == Some(record)));
        let asked = &channels[rng.usize(0..5)];
        let messages = rng.usize(1..10);
        let newest = reader.newest(asked, Seq::MAX, PortionLimit { messages, bytes: u64::MAX });
        let newest = newest.expect("reads");
        let of_channel = there.records.values().filter(|record| record.channel == *asked);
        let all: Vec<Seq> = of_channel.map(|record| record.seq).collect();
        let got: Vec<Seq> = newest.records.iter().map(|record| record.seq).collect();
        assert_eq!(got, all[all.len().saturating_sub(messages)..], "the newest of {asked}");
        let last = reader.last(asked).expect("reads");
        let expected = all.last().map(|seq| (*seq, there.records[seq].end));
        assert_eq!(last, expected, "the last of {asked}");
        self.check_receipts(reader, there);
    }

    fn check_receipts(&self, reader: &Reader, there: &There) {
        let receipts = reader.receipts(0).expect("reads");
        let got: BTreeMap<_, _> = receipts.iter().map(|one| (one.seq, one.idempotency)).collect();
        for (seq, record) in &there.records {
            if let Some(tag) = record.idempotency {
                assert_eq!(got.get(seq), Some(&tag), "the receipt of {seq}");
            }
        }
    }
}
