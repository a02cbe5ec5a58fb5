//! A segment read from its beginning to its end, over damage: all that recovery, indexes and checks
//! know of a segment comes from here.

use std::io;

use tricast_core::Seq;

use crate::{
    disk::{DiskFile, read_full},
    head::Head,
    planted,
    record::{FIXED, FRAME, Frame, frame},
};

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// No segment has seqs this far above its base: such a number is damage.
const FARTHEST: u64 = 1 << 48;

/// What stands after the last whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Zeros or nothing.
    Clean,
    /// The beginning of one record and zeros: what a process leaves that was killed in a write.
    Torn,
    /// What no killed process leaves.
    Damaged,
}

/// What a walk comes to.
pub(crate) enum Found<'w> {
    /// A whole record. `after_damage` says that bytes before it were no record.
    Record { at: u64, bytes: &'w [u8], after_damage: bool },
    /// No more whole records, and what stands after the last one.
    End { tail: Tail },
}

/// A walk over the records of a segment.
pub(crate) struct Walk<'f> {
    file: &'f dyn DiskFile,
    base: Seq,
    end: u64,
    at: u64,
    last: Seq,
    /// Bytes of the file from `start`.
    buffer: Vec<u8>,
    start: u64,
}

impl<'f> Walk<'f> {
    /// Begins at `at`, where a record begins, and ends at `end`, or before it with the file.
    pub(crate) fn new(file: &'f dyn DiskFile, base: Seq, at: u64, end: u64) -> io::Result<Self> {
        let end = end.min(file.length()?);
        Ok(Self { file, base, end, at, last: 0, buffer: Vec::new(), start: at })
    }

    /// Goes on to the next whole record.
    pub(crate) fn step(&mut self) -> io::Result<Found<'_>> {
        let at = self.at;
        let (from, size) = match self.record_at(at)? {
            Some(size) => (at, size),
            None => match self.hop(at)? {
                Some(found) => found,
                None => return Ok(Found::End { tail: self.tail(at)? }),
            },
        };
        self.at = from + size as u64;
        let begin = (from - self.start) as usize;
        let bytes = &self.buffer[begin..begin + size];
        if let Ok(head) = Head::parse(bytes) {
            self.last = head.seq;
        }
        Ok(Found::Record { at: from, bytes, after_damage: from != at })
    }

    /// The size of the whole record at `at`.
    fn record_at(&mut self, at: u64) -> io::Result<Option<usize>> {
        let mut needed = FRAME;
        loop {
            if !self.hold(at, needed)? {
                return Ok(None);
            }
            let begin = (at - self.start) as usize;
            match frame(&self.buffer[begin..], self.base) {
                Frame::Needs(more) => needed = more,
                Frame::Whole(size) => {
                    let head = Head::parse(&self.buffer[begin..begin + size]);
                    // A record of a later version is whole, and refused where it is read.
                    let fits = head.is_ok_and(|head| self.is_next(head.seq));
                    if !fits && planted::ZerosTaken.is_on() {
                        self.last += 1;
                        return Ok(Some(size));
                    }
                    return Ok((fits || head.is_err_and(|e| e.is_later())).then_some(size));
                }
                Frame::Zeros | Frame::Damaged => return Ok(None),
            }
        }
    }

    fn is_next(&self, seq: Seq) -> bool {
        seq > self.last && seq >= self.base && seq - self.base < FARTHEST
    }

    /// Makes the buffer hold `size` bytes at `at`, and more where there are more; false if the
    /// segment ends before.
    fn hold(&mut self, at: u64, size: usize) -> io::Result<bool> {
        if at + size as u64 > self.end {
            return Ok(false);
        }
        let have = self.start + self.buffer.len() as u64;
        if at >= self.start && at + size as u64 <= have {
            return Ok(true);
        }
        let kept = match at >= self.start && at < have {
            true => self.buffer.split_off((at - self.start) as usize),
            false => Vec::new(),
        };
        let had = kept.len();
        self.buffer = kept;
        self.start = at;
        let want = size.max(BLOCK).min((self.end - at) as usize);
        self.buffer.resize(want, 0);
        let read = read_full(self.file, &mut self.buffer[had..], at + had as u64)?;
        self.buffer.truncate(had + read);
        Ok(self.buffer.len() >= size)
    }

    /// The next whole record after `at`, where there is none.
    fn hop(&mut self, at: u64) -> io::Result<Option<(u64, usize)>> {
        let mut at = at + 1;
        while self.hold(at, FRAME + FIXED)? {
            let held = &self.buffer[(at - self.start) as usize..];
            if held[..FRAME] == [0; FRAME] {
                // A length has a byte that is not zero among its four.
                let zeros = count_zeros(held) as u64;
                at += zeros.saturating_sub(3).max(1);
                continue;
            }
            if self.is_next(seq_of(held))
                && let Some(size) = self.record_at(at)?
            {
                return Ok(Some((at, size)));
            }
            at += 1;
        }
        Ok(None)
    }

    /// What stands from `at` to the end, where no whole record is.
    fn tail(&mut self, at: u64) -> io::Result<Tail> {
        let mut last = None;
        let mut from = at;
        let mut length = [0; 4];
        while from < self.end {
            self.hold(from, 1)?;
            let held = &self.buffer[(from - self.start) as usize..];
            if held.is_empty() {
                break;
            }
            if from == at {
                let n = held.len().min(4);
                length[..n].copy_from_slice(&held[..n]);
            }
            if let Some(nonzero) = held.iter().rposition(|byte| *byte != 0) {
                last = Some(from + nonzero as u64);
            }
            from += held.len() as u64;
        }
        let Some(last) = last else { return Ok(Tail::Clean) };
        let whole = at + FRAME as u64 + u64::from(u32::from_le_bytes(length));
        Ok(if last + 1 < whole { Tail::Torn } else { Tail::Damaged })
    }
}

fn seq_of(held: &[u8]) -> Seq {
    let mut seq = [0; 8];
    seq.copy_from_slice(&held[FRAME..FRAME + 8]);
    Seq::from_le_bytes(seq)
}

fn count_zeros(bytes: &[u8]) -> usize {
    let blocks = bytes.chunks_exact(64).take_while(|block| **block == [0; 64]).count() * 64;
    blocks + bytes[blocks..].iter().take_while(|byte| **byte == 0).count()
}
