//! Reading single records of a segment, neighbours with one call of the disk.

use std::io;

use tricast_core::ChannelName;

use crate::{
    disk::read_full,
    head::Head,
    record::{FRAME, Frame, LONGEST_HEAD, Record, frame},
    segment::Segment,
};

/// How much is read at once at most.
const LARGEST: u64 = 256 << 10;
/// Records are neighbours if fewer bytes are between them.
const NEAR: u64 = 8 << 10;
/// What is read beyond the beginning of the last record.
const BEYOND: u64 = 2 << 10;

/// What stands at a place.
pub(crate) enum Taken {
    /// A record of the channel, and its size.
    Record(Box<Record>, u64),
    /// A record of another channel with the same hash.
    Other,
    Damaged,
}

/// A part of a segment in memory.
pub(crate) struct Window<'s> {
    segment: &'s Segment,
    end: u64,
    at: u64,
    bytes: Vec<u8>,
}

impl<'s> Window<'s> {
    pub(crate) fn new(segment: &'s Segment) -> Self {
        Self { segment, end: segment.summary().length, at: 0, bytes: Vec::new() }
    }

    /// Takes the record at a place. `coming` are the places that are asked for next, from this one.
    pub(crate) fn take(
        &mut self,
        place: u32,
        coming: impl Iterator<Item = u32>,
        channel: &ChannelName,
    ) -> io::Result<Taken> {
        let at = u64::from(place);
        // The segment may have grown since its places were looked up.
        if at >= self.end {
            self.end = self.segment.summary().length;
        }
        if self.held(at, FRAME).is_none() {
            let last = coming.map(u64::from).try_fold(at, |last, next| {
                let near = next - last.min(next) <= NEAR && next - at + BEYOND <= LARGEST;
                if near { Ok(next) } else { Err(last) }
            });
            let (Ok(last) | Err(last)) = last;
            self.fill(at, last - at + BEYOND)?;
        }
        let base = self.segment.base;
        let mut found = self.held(at, FRAME).map_or(Frame::Damaged, |held| frame(held, base));
        if let Frame::Needs(size) = found
            && at + size as u64 <= self.end
        {
            self.fill(at, size as u64)?;
            found = self.held(at, size).map_or(Frame::Damaged, |held| frame(held, base));
        }
        let Frame::Whole(size) = found else { return Ok(Taken::Damaged) };
        let Some(held) = self.held(at, size) else { return Ok(Taken::Damaged) };
        Ok(match Head::parse(&held[..size]) {
            Ok(head) if head.channel != channel.as_str().as_bytes() => Taken::Other,
            Ok(head) => match head.record(Some(channel)) {
                Ok(record) => Taken::Record(Box::new(record), size as u64),
                Err(_) => Taken::Damaged,
            },
            Err(_) => Taken::Damaged,
        })
    }

    /// The record whose bytes these are, of any channel.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Record> {
        Head::parse(bytes).and_then(|head| head.record(None)).ok()
    }

    /// The bytes at `at` that are in memory, if they are `size` or more.
    fn held(&self, at: u64, size: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.bytes.get(from..).filter(|held| held.len() >= size)
    }

    fn fill(&mut self, at: u64, size: u64) -> io::Result<()> {
        let size = size.max(LONGEST_HEAD as u64).min(self.end.saturating_sub(at));
        self.at = at;
        self.bytes.resize(size as usize, 0);
        let there = read_full(&*self.segment.file, &mut self.bytes, at)?;
        self.bytes.truncate(there);
        Ok(())
    }
}
