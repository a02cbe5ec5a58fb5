//! What is known of a segment's records: gathered record by record, while they are written or in
//! a walk.

use std::{io, sync::Arc};

use tricast_core::{ChannelName, Seq};

use crate::{
    channel_hash::ChannelHasher,
    disk::DiskFile,
    head::{Head, Unreadable},
    planted,
    postings::Postings,
    walk::{Found, Tail, Walk},
};

/// A mark stands at the first record of each so many bytes.
const MARK_EVERY: u64 = 64 << 10;

/// What a segment holds, in a few numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The bytes up to the end of the last whole record.
    pub(crate) length: u64,
    pub(crate) records: u64,
    /// The seq of the first record; 0 if there is no record.
    pub(crate) first: Seq,
    pub(crate) first_skipped: u64,
    /// The seq of the last record; 0 if there is no record.
    pub(crate) last: Seq,
    /// The latest time of a record.
    pub(crate) newest: u64,
    /// Seqs between the first and the last record that nothing explains, in order.
    pub(crate) holes: Vec<(Seq, Seq)>,
    /// The erasures among the records, by their seq. Shared, because summaries are copied often.
    pub(crate) erasures: Arc<Vec<Erasure>>,
}

/// A record that says up to where a channel's messages are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erasure {
    pub(crate) channel: ChannelName,
    /// The record's own seq.
    pub(crate) seq: Seq,
    pub(crate) upto: Seq,
}

impl Summary {
    /// The first seq that this segment explains: all from here to its last are in it, were given
    /// to unlogged messages, or are in its holes.
    pub(crate) fn explains_from(&self) -> Seq {
        self.first - self.first_skipped.min(self.first)
    }

    pub(crate) fn add(&mut self, head: &Head<'_>, skipped: u64, end: u64) {
        if self.records == 0 {
            self.first = head.seq;
            self.first_skipped = skipped;
        } else if let Some(hole) = hole_between(self.last, head.seq, skipped) {
            self.holes.push(hole);
        }
        self.records += 1;
        self.last = head.seq;
        self.newest = self.newest.max(head.time);
        self.length = end;
    }
}

/// The seqs between two records that were lost.
fn hole_between(last: Seq, next: Seq, skipped: u64) -> Option<(Seq, Seq)> {
    let explained_from = next.saturating_sub(skipped);
    (explained_from > last + 1).then(|| (last + 1, explained_from - 1))
}

/// The seqs that are lost between the last record and those that the next one explains.
pub(crate) fn pending_hole(last: Seq, explained: Seq) -> Option<(Seq, Seq)> {
    hole_between(last, explained, 0)
}

/// Where a record stands that begins a part of the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seq: Seq,
    pub(crate) at: u64,
}

/// The receipt of a message that was published with an idempotency id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedReceipt {
    /// The digest of the idempotency id.
    pub idempotency: [u8; 16],
    /// The message's seq.
    pub seq: Seq,
    /// When it was published, in milliseconds since 1970.
    pub time: u64,
    /// The hash of its channel, as [`Reader::channel_hash`](crate::Reader::channel_hash) gives it.
    pub channel: u64,
    /// How many were subscribed, if that was stored.
    pub subscribers: Option<u32>,
}

/// The records of a segment, as far as finding them needs.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) summary: Summary,
    pub(crate) postings: Postings,
    pub(crate) marks: Vec<Mark>,
}

impl Contents {
    pub(crate) fn add(&mut self, hash: u64, head: &Head<'_>, skipped: u64, at: u64, size: u64) {
        if self.marks.last().is_none_or(|mark| at >= mark.at + MARK_EVERY) {
            self.marks.push(Mark { seq: head.seq, at });
        }
        match head.erasure() {
            Ok(Some(_)) if planted::ErasuresNotRebuilt.is_on() => {}
            Ok(Some(erasure)) => Arc::make_mut(&mut self.summary.erasures).push(erasure),
            // Readers of the channel never come to an erasure.
            _ => self.postings.push(hash, at as u32),
        }
        self.summary.add(head, skipped, at + size);
    }
}

/// A segment that was walked from its beginning to its end.
pub(crate) struct Walked {
    pub(crate) contents: Contents,
    pub(crate) receipts: Vec<LoggedReceipt>,
    pub(crate) tail: Tail,
    /// Where bytes between records were no record.
    pub(crate) damages: Vec<Break>,
}

/// A place between two records at which no record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    /// How many whole records are before it.
    pub(crate) record: u64,
    pub(crate) at: u64,
    /// The seqs that may have been messages there; from above to if there are none.
    pub(crate) seqs: (Seq, Seq),
}

/// Why a segment cannot be walked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A record of a later version.
    #[error("a later version of Tricast wrote it")]
    Later,
}

/// Walks a segment up to `end`.
pub(crate) fn walk(
    file: &dyn DiskFile,
    base: Seq,
    end: u64,
    hasher: ChannelHasher,
) -> Result<Walked, WalkError> {
    let mut walk = Walk::new(file, base, 0, end)?;
    let mut contents = Contents::default();
    let mut receipts = Vec::new();
    let mut damages = Vec::new();
    loop {
        match walk.step()? {
            Found::Record { at, bytes, after_damage } => {
                let read = Head::parse(bytes)
                    .and_then(|head| head.erasure().map(|_| head))
                    .and_then(|head| Ok((head, head.skipped()?, head.receipt()?)));
                let (head, skipped, receipt) = match read {
                    Ok(read) => read,
                    Err(Unreadable::Later) => return Err(WalkError::Later),
                    // Its checksum is right and its content is not: nothing of ours wrote it.
                    Err(Unreadable::Malformed) => {
                        if planted::ZerosTaken.is_on() {
                            contents.summary.last += 1;
                            contents.summary.length = at + bytes.len() as u64;
                        }
                        continue;
                    }
                };
                if after_damage {
                    let Summary { length, last, records, .. } = contents.summary;
                    let explained = head.seq.saturating_sub(skipped);
                    let seqs = (last.max(base.saturating_sub(1)) + 1, explained.saturating_sub(1));
                    damages.push(Break { record: records, at: length, seqs });
                }
                let hash = hasher.hash(head.channel);
                contents.add(hash, &head, skipped, at, bytes.len() as u64);
                let Head { seq, time, .. } = head;
                receipts.extend(receipt.map(|(idempotency, subscribers)| LoggedReceipt {
                    idempotency,
                    seq,
                    time,
                    channel: hash,
                    subscribers,
                }));
            }
            Found::End { tail } => return Ok(Walked { contents, receipts, tail, damages }),
        }
    }
}
