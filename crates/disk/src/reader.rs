//! The reading end of a log, for any number of threads.

use std::{collections::HashMap, io, sync::Arc};

use tricast_core::{ChannelName, Seq};

use crate::{
    contents::{Erasure, LoggedReceipt},
    gathering::{Gathering, holes},
    planted,
    portion::{Portion, PortionLimit},
    segment::Segment,
    shared::Shared,
    walk::{Found, Walk},
    window::{Taken, Window},
};

/// How many places of a channel are looked up at once.
const PLACES: usize = 1024;

/// Reads a log while it is written. Cloned for other threads.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Reads records of `channels` after one seq and up to another, by their seq.
    ///
    /// # Errors
    /// If the disk cannot be read. Damaged records are no error, but holes.
    pub fn read(
        &self,
        channels: &[ChannelName],
        after: Seq,
        until: Seq,
        limit: PortionLimit,
    ) -> io::Result<Portion> {
        let mut gathering = Gathering::begin(&self.shared, after, until, limit);
        let hashes: Vec<u64> = channels.iter().map(|channel| self.channel_hash(channel)).collect();
        for n in gathering.first_segment()..gathering.segments.len() {
            let segment = gathering.segments[n].clone();
            if segment.base > gathering.portion.upto {
                break;
            }
            if self.read_segment(&segment, channels, &hashes, &mut gathering)? {
                break;
            }
        }
        Ok(gathering.end())
    }

    /// Reads of one segment; true if the portion is full.
    fn read_segment(
        &self,
        segment: &Segment,
        channels: &[ChannelName],
        hashes: &[u64],
        gathering: &mut Gathering,
    ) -> io::Result<bool> {
        let finder = self.shared.finder();
        let summary = segment.summary();
        let after = gathering.portion.after;
        if summary.last <= after {
            return Ok(false);
        }
        let mut from = segment.place_of(finder, after + 1)? as u32;
        let mut window = Window::new(segment);
        let mut places: Vec<(u32, usize)> = Vec::new();
        let mut found = Vec::new();
        loop {
            places.clear();
            let mut bound = u32::MAX;
            for (n, hash) in hashes.iter().enumerate() {
                found.clear();
                segment.places_from(finder, *hash, from, PLACES, &mut found)?;
                if found.len() == PLACES {
                    bound = bound.min(found[PLACES - 1]);
                }
                places.extend(found.iter().map(|place| (*place, n)));
            }
            places.retain(|(place, _)| *place <= bound);
            places.sort_unstable();
            places.dedup_by_key(|(place, _)| *place);
            for (n, (place, channel)) in places.iter().enumerate() {
                let coming = places[n..].iter().map(|(place, _)| *place);
                let wanted = gathering.wanted();
                let taken = window.take(*place, coming.take(wanted), &channels[*channel])?;
                if gathering.add(taken, || self.damage(segment, *place))? {
                    return Ok(true);
                }
            }
            if bound == u32::MAX {
                return Ok(false);
            }
            from = bound + 1;
        }
    }

    /// The seqs that a damaged record at a place can have had.
    fn damage(&self, segment: &Segment, place: u32) -> io::Result<(Seq, Seq)> {
        self.shared.note_damage(segment.base, place.into());
        segment.seqs_around(self.shared.finder(), place.into())
    }

    /// Reads the newest `limit` records of a channel up to `until`. The portion's `after` says
    /// from where on it has all of them.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn newest(
        &self,
        channel: &ChannelName,
        until: Seq,
        limit: PortionLimit,
    ) -> io::Result<Portion> {
        let until = until.min(self.shared.visible());
        let mut portion = Portion { upto: until, floor: self.shared.floor(), ..Portion::default() };
        let segments = self.shared.segments();
        let (mut bytes, mut full) = (0, limit.messages == 0);
        for segment in segments.iter().rev() {
            if full || segment.base > until {
                continue;
            }
            self.each_newest(segment, channel, |place, taken| {
                match taken {
                    Taken::Record(record, size) if record.seq <= until => {
                        let over = bytes + size > limit.bytes && !portion.records.is_empty();
                        if over || portion.records.len() == limit.messages {
                            full = true;
                            return Ok(false);
                        }
                        bytes += size;
                        portion.records.push(*record);
                    }
                    Taken::Damaged if !planted::DamageSilent.is_on() => {
                        portion.holes.push(self.damage(segment, place)?);
                    }
                    _ => {}
                }
                Ok(true)
            })?;
            full |= portion.records.len() == limit.messages;
        }
        portion.records.reverse();
        portion.after = match portion.records.first() {
            Some(first) if full => first.seq - 1,
            None if full => until,
            _ => portion.floor.min(until),
        };
        portion.more = full;
        portion.holes.extend(holes(&segments, &self.shared, portion.after, until));
        portion.settle_holes();
        Ok(portion)
    }

    /// Gives the newest records of a channel in a segment, until `give` says false.
    fn each_newest(
        &self,
        segment: &Segment,
        channel: &ChannelName,
        mut give: impl FnMut(u32, Taken) -> io::Result<bool>,
    ) -> io::Result<()> {
        let (finder, hash) = (self.shared.finder(), self.channel_hash(channel));
        let mut window = Window::new(segment);
        let mut before = u32::MAX;
        let mut places = Vec::new();
        loop {
            places.clear();
            segment.places_before(finder, hash, before, PLACES, &mut places)?;
            for place in &places {
                if !give(*place, window.take(*place, std::iter::empty(), channel)?)? {
                    return Ok(());
                }
            }
            match places.last() {
                Some(last) if places.len() == PLACES => before = *last,
                _ => return Ok(()),
            }
        }
    }

    /// The seq of the last record of a channel, and whether it ends the channel.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn last(&self, channel: &ChannelName) -> io::Result<Option<(Seq, bool)>> {
        let limit = PortionLimit { messages: 1, bytes: 0 };
        let portion = self.newest(channel, Seq::MAX, limit)?;
        Ok(portion.records.first().map(|record| (record.seq, record.end)))
    }

    /// Reads records of all channels after a seq, by their seq.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn scan(&self, after: Seq, limit: PortionLimit) -> io::Result<Portion> {
        let mut gathering = Gathering::begin(&self.shared, after, Seq::MAX, limit);
        let floor = gathering.portion.floor;
        for n in gathering.first_segment()..gathering.segments.len() {
            let segment = gathering.segments[n].clone();
            let summary = segment.summary();
            if summary.last <= after {
                continue;
            }
            let from = segment.place_of(self.shared.finder(), after + 1)?;
            let mut walk = Walk::new(&*segment.file, segment.base, from, summary.length)?;
            let mut last = after.max(floor).max(segment.base - 1);
            while let Found::Record { at, bytes, after_damage } = walk.step()? {
                if after_damage {
                    self.shared.note_damage(segment.base, at);
                }
                let Some(record) = Window::parse(bytes) else { continue };
                if after_damage && record.seq > last {
                    let explained = record.seq.saturating_sub(record.skipped);
                    gathering.hole(last + 1, explained.saturating_sub(1));
                }
                last = last.max(record.seq);
                if record.erases.is_some() {
                    continue;
                }
                let taken = Taken::Record(Box::new(record), bytes.len() as u64);
                if gathering.add(taken, || Ok((1, 0)))? {
                    return Ok(gathering.end());
                }
            }
            if last < summary.last {
                self.shared.note_damage(segment.base, summary.length);
                gathering.hole(last + 1, summary.last);
            }
        }
        Ok(gathering.end())
    }

    /// The channels whose messages are erased, each up to a seq, as far as these messages may still
    /// be there.
    pub fn erased(&self) -> Vec<(ChannelName, Seq)> {
        let mut erased: HashMap<ChannelName, Seq> = HashMap::new();
        let floor = self.floor();
        for segment in self.shared.segments().iter() {
            for Erasure { channel, upto, .. } in segment.summary().erasures.iter() {
                if *upto > floor {
                    let highest = erased.entry(channel.clone()).or_default();
                    *highest = (*highest).max(*upto);
                }
            }
        }
        erased.into_iter().collect()
    }

    /// A seq after which the log has about the newest `bytes` bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn begin_of_newest(&self, bytes: u64) -> io::Result<Seq> {
        let mut left = bytes;
        for segment in self.shared.segments().iter().rev() {
            let length = segment.summary().length;
            if length > left {
                let begin = segment.seq_of_newest(self.shared.finder(), left)?;
                return Ok((begin - 1).max(self.shared.floor()));
            }
            left -= length;
        }
        Ok(self.shared.floor())
    }

    /// The receipts of messages that were published at `since` or later, in milliseconds since
    /// 1970, by their seq.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn receipts(&self, since: u64) -> io::Result<Vec<LoggedReceipt>> {
        let mut receipts = Vec::new();
        let segments = self.shared.segments();
        for segment in segments.iter().filter(|segment| segment.summary().newest >= since) {
            let all = segment.receipts(self.shared.finder())?;
            receipts.extend(all.into_iter().filter(|receipt| receipt.time >= since));
        }
        Ok(receipts)
    }

    /// The hash of a channel, by which receipts name it.
    pub fn channel_hash(&self, channel: &ChannelName) -> u64 {
        self.shared.hasher.hash(channel.as_str().as_bytes())
    }

    /// Seqs up to this one were let go.
    pub fn floor(&self) -> Seq {
        self.shared.floor()
    }

    /// The last seq that is there to be read.
    pub fn head(&self) -> Seq {
        self.shared.visible()
    }

    /// The bytes of all records.
    pub fn bytes(&self) -> u64 {
        self.shared.segments().iter().map(|segment| segment.summary().length).sum()
    }

    /// The number of segments.
    pub fn segments(&self) -> usize {
        self.shared.segments().len()
    }

    /// How many damaged places were met.
    pub fn damaged(&self) -> u64 {
        self.shared.damaged()
    }

    /// Why the log has failed, if it has.
    pub fn failed(&self) -> Option<&str> {
        self.shared.failed()
    }
}
