//! The index of a sealed segment, in a file beside it: made when the segment is sealed, and made
//! again from the segment when it is missing or damaged.
//!
//! ```text
//! head      magic, base, length, records, first, skipped before it, last, newest time: u64 each
//!           number of holes, marks, channels, places, receipts: u32 each; key's fingerprint u32;
//!           bytes of erasures u32
//! holes     from u64, to u64
//! erasures  seq u64, the last erased seq u64, length of the channel's name u8, name
//! checksum  u32: CRC-32C of all before it
//! fan-out   1,025 u32: how many channels have a hash whose highest 10 bits are below 0, 1, …
//! marks     seq u64, at u64
//! channels  hash u64, its first place u32, its number of places u32; in order of the hash
//! places    u32: where a record begins; ascending for each channel
//! receipts  digest 16, channel's hash u64, seq u64, time u64, subscribers u32 (all ones: unknown)
//! checksum  u32: CRC-32C of all between the two checksums
//! ```

use std::{io, sync::Arc};

use tricast_core::Seq;

use crate::{
    contents::{Contents, Erasure, LoggedReceipt, Mark, Summary},
    disk::{DiskFile, read_full},
    planted,
    postings::Nth,
    record::{u32_at, u64_at},
};

const MAGIC: u64 = u64::from_le_bytes(*b"tricidx1");
const HEAD: usize = 8 * 8 + 7 * 4;
/// An erasure without its name.
const ERASURE: usize = 17;
const BUCKETS: usize = 1024;
const CHANNEL: usize = 16;
const MARK: usize = 16;
const RECEIPT: usize = 44;

/// Writes the index of a segment.
pub(crate) fn encode(
    base: Seq,
    fingerprint: u32,
    contents: &Contents,
    receipts: &[LoggedReceipt],
) -> Vec<u8> {
    let Contents { summary, postings, marks } = contents;
    let hashes = postings.hashes();
    let mut out = Vec::with_capacity(HEAD + BUCKETS * 4 + hashes.len() * 16 + postings.len() * 4);
    let (first, skipped) = (summary.first, summary.first_skipped);
    let numbers = [MAGIC, base, summary.length, summary.records, first, skipped];
    for number in numbers.into_iter().chain([summary.last, summary.newest]) {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let counts = [summary.holes.len(), marks.len(), hashes.len(), postings.len(), receipts.len()];
    let named = |erasure: &Erasure| ERASURE + erasure.channel.as_str().len();
    let erasures: usize = summary.erasures.iter().map(named).sum();
    let counts = counts.map(|count| count as u32).into_iter();
    for count in counts.chain([fingerprint, erasures as u32]) {
        out.extend_from_slice(&count.to_le_bytes());
    }
    for (from, to) in &summary.holes {
        out.extend_from_slice(&from.to_le_bytes());
        out.extend_from_slice(&to.to_le_bytes());
    }
    for Erasure { channel, seq, upto } in summary.erasures.iter() {
        let name = channel.as_str().as_bytes();
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&upto.to_le_bytes());
        out.push(name.len() as u8);
        out.extend_from_slice(name);
    }
    put_checksum(&mut out, 0);
    let body = out.len();
    for bucket in 0..=BUCKETS {
        let below = hashes.partition_point(|hash| bucket_of(*hash) < bucket);
        out.extend_from_slice(&(below as u32).to_le_bytes());
    }
    for mark in marks {
        out.extend_from_slice(&mark.seq.to_le_bytes());
        out.extend_from_slice(&mark.at.to_le_bytes());
    }
    let mut places = Vec::with_capacity(postings.len());
    for hash in &hashes {
        let from = places.len();
        postings.from(*hash, 0, usize::MAX, &mut places);
        out.extend_from_slice(&hash.to_le_bytes());
        out.extend_from_slice(&(from as u32).to_le_bytes());
        out.extend_from_slice(&((places.len() - from) as u32).to_le_bytes());
    }
    for place in &places {
        out.extend_from_slice(&place.to_le_bytes());
    }
    for receipt in receipts {
        out.extend_from_slice(&receipt.idempotency);
        for number in [receipt.channel, receipt.seq, receipt.time] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&receipt.subscribers.unwrap_or(u32::MAX).to_le_bytes());
    }
    put_checksum(&mut out, body);
    out
}

fn put_checksum(out: &mut Vec<u8>, from: usize) {
    let sum = crc32c::crc32c(&out[from..]);
    out.extend_from_slice(&sum.to_le_bytes());
}

fn bucket_of(hash: u64) -> usize {
    (hash >> 54) as usize
}

/// An index on disk, of which only the fan-out and the marks are in memory.
pub(crate) struct Index {
    file: Arc<dyn DiskFile>,
    fan_out: Vec<u32>,
    pub(crate) marks: Vec<Mark>,
    channels_at: u64,
    places_at: u64,
    receipts_at: u64,
    receipts: usize,
}

/// The beginning of an index.
pub(crate) struct IndexHead {
    pub(crate) summary: Summary,
    counts: [usize; 5],
    body: u64,
}

/// Reads the beginning of the index of the segment of this base; nothing if it is damaged, of
/// another segment or of another key.
pub(crate) fn read_head(
    file: &dyn DiskFile,
    base: Seq,
    fingerprint: u32,
) -> io::Result<Option<IndexHead>> {
    let mut head = [0; HEAD];
    if read_full(file, &mut head, 0)? < HEAD {
        return Ok(None);
    }
    let number = |n: usize| u64_at(&head, n * 8);
    let count = |n: usize| u32_at(&head, 64 + n * 4) as usize;
    let counts: [usize; 5] = std::array::from_fn(count);
    let (holes_size, erasures_size) = (counts[0] * 16, u32_at(&head, 88) as usize);
    let fits = (HEAD + holes_size + erasures_size) as u64 <= file.length()?;
    if number(0) != MAGIC || number(1) != base || u32_at(&head, 84) != fingerprint || !fits {
        return Ok(None);
    }
    let mut rest = vec![0; holes_size + erasures_size + 4];
    read_full(file, &mut rest, HEAD as u64)?;
    let (lists, sum) = rest.split_at(holes_size + erasures_size);
    let right = crc32c::crc32c_append(crc32c::crc32c(&head), lists) == u32_at(sum, 0);
    if !right && !planted::IndexTrusted.is_on() {
        return Ok(None);
    }
    let (holes, erasures) = lists.split_at(holes_size);
    let Some(erasures) = erasures_in(erasures) else { return Ok(None) };
    let summary = Summary {
        length: number(2),
        records: number(3),
        first: number(4),
        first_skipped: number(5),
        last: number(6),
        newest: number(7),
        holes: holes.chunks_exact(16).map(|hole| (u64_at(hole, 0), u64_at(hole, 8))).collect(),
        erasures: Arc::new(erasures),
    };
    Ok(Some(IndexHead { summary, counts, body: (HEAD + holes_size + erasures_size + 4) as u64 }))
}

fn erasures_in(mut bytes: &[u8]) -> Option<Vec<Erasure>> {
    let mut erasures = Vec::new();
    while !bytes.is_empty() {
        let (fixed, rest) = bytes.split_at_checked(ERASURE)?;
        let (name, rest) = rest.split_at_checked(fixed[16].into())?;
        let channel = std::str::from_utf8(name).ok()?.parse().ok()?;
        erasures.push(Erasure { channel, seq: u64_at(fixed, 0), upto: u64_at(fixed, 8) });
        bytes = rest;
    }
    Some(erasures)
}

impl Index {
    /// Reads and checks all of the index; nothing if it is damaged.
    pub(crate) fn load(file: Arc<dyn DiskFile>, head: &IndexHead) -> io::Result<Option<Self>> {
        let [_, marks, channels, places, receipts] = head.counts;
        let fan_out_size = (BUCKETS + 1) * 4;
        let channels_at = head.body + (fan_out_size + marks * MARK) as u64;
        let places_at = channels_at + (channels * CHANNEL) as u64;
        let receipts_at = places_at + (places * 4) as u64;
        let end = receipts_at + (receipts * RECEIPT) as u64;
        if file.length()? < end + 4 {
            return Ok(None);
        }
        let mut sum = [0; 4];
        read_full(&*file, &mut sum, end)?;
        let right = checksum(&*file, head.body, end)? == u32_at(&sum, 0);
        if !right && !planted::IndexTrusted.is_on() {
            return Ok(None);
        }
        let mut front = vec![0; fan_out_size + marks * MARK];
        read_full(&*file, &mut front, head.body)?;
        let (fan_out, marks) = front.split_at(fan_out_size);
        let fan_out = fan_out.chunks_exact(4).map(|word| u32_at(word, 0)).collect();
        let marks = marks.chunks_exact(MARK);
        let marks = marks.map(|mark| Mark { seq: u64_at(mark, 0), at: u64_at(mark, 8) }).collect();
        Ok(Some(Self { file, fan_out, marks, channels_at, places_at, receipts_at, receipts }))
    }

    /// The places of a channel from `from` on, at most `most`, ascending.
    pub(crate) fn from(
        &self,
        hash: u64,
        from: u32,
        most: usize,
        out: &mut Vec<u32>,
    ) -> io::Result<()> {
        let Some((first, count)) = self.channel(hash)? else { return Ok(()) };
        let begin = self.count_below(first, count, from)?;
        self.places(first + begin, (count - begin).min(most as u64), out)
    }

    /// The newest places of a channel before `before`, at most `most`, descending.
    pub(crate) fn newest(
        &self,
        hash: u64,
        before: u32,
        most: usize,
        out: &mut Vec<u32>,
    ) -> io::Result<()> {
        let Some((first, count)) = self.channel(hash)? else { return Ok(()) };
        let end = self.count_below(first, count, before)?;
        let taken = end.min(most as u64);
        let already = out.len();
        self.places(first + end - taken, taken, out)?;
        out[already..].reverse();
        Ok(())
    }

    /// The place of a channel that is the `n`th before `before`, the newest first, or how many
    /// there are if they are fewer.
    pub(crate) fn nth_newest(&self, hash: u64, before: u32, n: u64) -> io::Result<Nth> {
        let Some((first, count)) = self.channel(hash)? else { return Ok(Nth::Fewer(0)) };
        let there = self.count_below(first, count, before)?;
        let Some(older) = there.checked_sub(n.max(1)) else { return Ok(Nth::Fewer(there)) };
        let mut place = Vec::new();
        self.places(first + older, 1, &mut place)?;
        Ok(place.first().map_or(Nth::Fewer(there), |place| Nth::Place(*place)))
    }

    /// All receipts.
    pub(crate) fn receipts(&self) -> io::Result<Vec<LoggedReceipt>> {
        let mut bytes = vec![0; self.receipts * RECEIPT];
        let there = read_full(&*self.file, &mut bytes, self.receipts_at)?;
        let receipts = bytes[..there].chunks_exact(RECEIPT).map(|bytes| {
            let mut idempotency = [0; 16];
            idempotency.copy_from_slice(&bytes[..16]);
            let subscribers = u32_at(bytes, 40);
            LoggedReceipt {
                idempotency,
                channel: u64_at(bytes, 16),
                seq: u64_at(bytes, 24),
                time: u64_at(bytes, 32),
                subscribers: (subscribers != u32::MAX).then_some(subscribers),
            }
        });
        Ok(receipts.collect())
    }

    /// The first place of a channel, and how many it has.
    fn channel(&self, hash: u64) -> io::Result<Option<(u64, u64)>> {
        let bucket = bucket_of(hash);
        let (from, to) = (self.fan_out[bucket], self.fan_out[bucket + 1]);
        let mut bytes = vec![0; (to.saturating_sub(from)) as usize * CHANNEL];
        let at = self.channels_at + u64::from(from) * CHANNEL as u64;
        let there = read_full(&*self.file, &mut bytes, at)?;
        let channels = bytes[..there].as_chunks::<CHANNEL>().0;
        let found = channels.binary_search_by_key(&hash, |channel| u64_at(channel, 0));
        let range =
            |channel: &[u8; CHANNEL]| (u32_at(channel, 8).into(), u32_at(channel, 12).into());
        Ok(found.ok().map(|n| range(&channels[n])))
    }

    /// How many of `count` places from the place `first` on are below `bound`.
    fn count_below(&self, first: u64, count: u64, bound: u32) -> io::Result<u64> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            let mut place = [0; 4];
            read_full(&*self.file, &mut place, self.places_at + (first + middle) * 4)?;
            match u32::from_le_bytes(place) < bound {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    fn places(&self, first: u64, count: u64, out: &mut Vec<u32>) -> io::Result<()> {
        let mut bytes = vec![0; count as usize * 4];
        let there = read_full(&*self.file, &mut bytes, self.places_at + first * 4)?;
        out.extend(bytes[..there].chunks_exact(4).map(|place| u32_at(place, 0)));
        Ok(())
    }
}

fn checksum(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<u32> {
    let mut block = vec![0; 256 << 10];
    let (mut at, mut sum) = (from, 0);
    while at < to {
        let size = block.len().min((to - at) as usize);
        let there = read_full(file, &mut block[..size], at)?;
        if there == 0 {
            break;
        }
        sum = crc32c::crc32c_append(sum, &block[..there]);
        at += there as u64;
    }
    Ok(sum)
}
