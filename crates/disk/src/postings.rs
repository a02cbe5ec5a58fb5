//! Where the records of each channel stand in a segment, in memory: for the segment that is being
//! written, and for building an index. 12 to 32 bytes a channel and 4 to 5 a record.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// The places of one channel are kept in blocks, each twice as large as the one before it.
const LARGEST_BLOCK: u32 = 128;
/// Of a block: where the block before it is (0: nowhere), its room and its number of places.
const HEADER: usize = 2;

/// A place that was counted to, from the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nth {
    Place(u32),
    /// There are only so many.
    Fewer(u64),
}

/// The places of records by the hash of their channel.
#[derive(Default)]
pub(crate) struct Postings {
    /// The last block of each channel.
    blocks: HashMap<u64, u32, BuildHasherDefault<Identity>>,
    arena: Vec<u32>,
    records: usize,
}

impl Postings {
    /// Adds the place of a record; places grow.
    pub(crate) fn push(&mut self, hash: u64, place: u32) {
        self.records += 1;
        if self.arena.is_empty() {
            // Block 0 is nowhere.
            self.arena.push(0);
        }
        let last = self.blocks.get(&hash).copied().unwrap_or(0);
        let mut room = 1;
        if last != 0 {
            let at = last as usize;
            let (of, used) = unpack(self.arena[at + 1]);
            if used < of {
                self.arena[at + HEADER + used as usize] = place;
                self.arena[at + 1] = pack(of, used + 1);
                return;
            }
            room = (of * 2).min(LARGEST_BLOCK);
        }
        let at = self.arena.len();
        self.arena.extend_from_slice(&[last, pack(room, 1), place]);
        self.arena.resize(at + HEADER + room as usize, 0);
        self.blocks.insert(hash, at as u32);
    }

    /// The places of a channel from `from` on, at most `most`, ascending.
    pub(crate) fn from(&self, hash: u64, from: u32, most: usize, out: &mut Vec<u32>) {
        let mut blocks = Vec::new();
        for block in self.backwards(hash) {
            blocks.push(block);
            if block[0] <= from {
                break;
            }
        }
        let places = blocks.iter().rev().flat_map(|block| block.iter().copied());
        out.extend(places.skip_while(|place| *place < from).take(most));
    }

    /// The newest places of a channel before `before`, at most `most`, descending.
    pub(crate) fn newest(&self, hash: u64, before: u32, most: usize, out: &mut Vec<u32>) {
        let places = self.backwards(hash).flat_map(|block| block.iter().rev().copied());
        out.extend(places.skip_while(|place| *place >= before).take(most));
    }

    /// The place of a channel that is the `n`th before `before`, the newest first, or how many
    /// there are if they are fewer.
    pub(crate) fn nth_newest(&self, hash: u64, before: u32, n: u64) -> Nth {
        let mut left = n.max(1);
        for block in self.backwards(hash) {
            let there = block.partition_point(|place| *place < before);
            match there as u64 {
                fewer if fewer < left => left -= fewer,
                _ => return Nth::Place(block[there - left as usize]),
            }
        }
        Nth::Fewer(n.max(1) - left)
    }

    fn backwards(&self, hash: u64) -> impl Iterator<Item = &[u32]> {
        let first = self.blocks.get(&hash).copied();
        let ats = std::iter::successors(first, |at| Some(self.arena[*at as usize]));
        ats.take_while(|at| *at != 0).map(|at| {
            let at = at as usize;
            let (_, used) = unpack(self.arena[at + 1]);
            &self.arena[at + HEADER..at + HEADER + used as usize]
        })
    }

    /// The hashes of all channels, ascending.
    pub(crate) fn hashes(&self) -> Vec<u64> {
        let mut hashes: Vec<u64> = self.blocks.keys().copied().collect();
        hashes.sort_unstable();
        hashes
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.records
    }

    /// About how many bytes of memory this takes.
    pub(crate) fn memory(&self) -> usize {
        // A table has a control byte for each slot, and is at most seven eighths full.
        self.arena.capacity() * 4 + self.blocks.capacity() * 8 / 7 * 17
    }
}

fn pack(room: u32, used: u32) -> u32 {
    room << 16 | used
}

fn unpack(word: u32) -> (u32, u32) {
    (word >> 16, word & 0xffff)
}

/// The keys are hashes already.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_from_both_ends() {
        let mut postings = Postings::default();
        let mut model: HashMap<u64, Vec<u32>> = HashMap::new();
        for place in 0..5000_u32 {
            let hash = u64::from(place * place % 7);
            postings.push(hash, place * 3);
            model.entry(hash).or_default().push(place * 3);
        }
        for (hash, all) in &model {
            for bound in [0, 1, 700, 7001, 14_997, 20_000] {
                let (mut up, mut down) = (Vec::new(), Vec::new());
                postings.from(*hash, bound, 100, &mut up);
                postings.newest(*hash, bound, 100, &mut down);
                let above = all.iter().copied().filter(|place| *place >= bound);
                assert_eq!(up, above.take(100).collect::<Vec<_>>());
                let below = all.iter().rev().copied().filter(|place| *place < bound);
                assert_eq!(down, below.take(100).collect::<Vec<_>>());
            }
        }
        assert_eq!(postings.len(), 5000);
    }

    #[test]
    fn a_segment_of_small_records_takes_little_memory() {
        for channels in [1_u64, 100_000, 400_000] {
            let mut postings = Postings::default();
            for n in 0..400_000_u64 {
                let hash = (n % channels).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                postings.push(hash, n as u32 * 168);
            }
            let memory = postings.memory();
            assert!(memory < 20 << 20, "{channels} channels: {memory} bytes");
        }
    }
}
