//! Reading every byte of a log, to say whether it is what was written.

use std::io;

use tricast_core::Seq;

use crate::{
    contents::{Walked, pending_hole},
    disk::read_all,
    gathering::holes,
    index,
    reader::Reader,
    segment::{INDEX, LOG, Segment, name_of},
};

/// A damaged place of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The name of the segment's file.
    pub segment: String,
    /// How many whole records are before the place.
    pub record: u64,
    /// The place in bytes from the beginning of the file.
    pub at: u64,
    /// The seqs that may have been messages there, from the first to the last; nothing if no
    /// message is missing.
    pub seqs: Option<(Seq, Seq)>,
}

/// What a check of all of a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The number of segments.
    pub segments: usize,
    /// The number of whole records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Places that are damaged.
    pub damages: Vec<Damage>,
    /// Indexes that are not what their segment says; each can be made again.
    pub indexes: Vec<String>,
    /// Seqs that may have been messages and are lost, for whatever reason.
    pub holes: Vec<(Seq, Seq)>,
}

impl Check {
    /// Whether the log is what was written. Losses that readers are told of are no damage.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty() && self.indexes.is_empty()
    }
}

impl Reader {
    /// Reads every record and every index.
    ///
    /// # Errors
    /// If the disk cannot be read, or a later version wrote a record.
    pub fn check(&self) -> io::Result<Check> {
        let shared = &self.shared;
        let segments = shared.segments();
        let mut check = Check { segments: segments.len(), ..Check::default() };
        let mut last = self.floor();
        for segment in segments.iter() {
            let known = segment.summary();
            let walked = segment.walk(shared.finder())?;
            let found = &walked.contents.summary;
            check.records += found.records;
            check.bytes += found.length;
            check.add_damages(segment, &walked);
            if found.length < known.length {
                let seqs = (found.last.max(segment.base.saturating_sub(1)) + 1, known.last);
                check.damages.push(damage(segment, found.records, found.length, seqs));
            }
            if found.records > 0 {
                check.holes.extend(pending_hole(last, found.explains_from()));
                check.holes.extend(&found.holes);
                last = found.last;
            }
            if known.last > last {
                check.holes.push((last + 1, known.last));
                last = known.last;
            }
            let is_open = shared.unsealed().iter().any(|open| open.base == segment.base);
            if !is_open && known.records > 0 && self.has_wrong_index(segment, &walked)? {
                check.indexes.push(name_of(segment.base, INDEX));
            }
        }
        check.holes.extend(holes(&segments, shared, last, self.head()));
        check.holes.retain(|(_, to)| *to > self.floor());
        Ok(check)
    }

    /// Whether a segment has an index that is not what the segment says.
    fn has_wrong_index(&self, segment: &Segment, walked: &Walked) -> io::Result<bool> {
        let shared = &self.shared;
        let name = name_of(segment.base, INDEX);
        let known = segment.summary();
        if !walked.damages.is_empty() || walked.contents.summary.length < known.length {
            // It knows of more than the segment has left, and its own checksums tell.
            let is_there = shared.disk.open(&name).is_ok();
            return Ok(is_there && shared.finder().load(segment.base)?.is_none());
        }
        let there = || match shared.disk.open(&name).and_then(|file| read_all(&*file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let fingerprint = shared.hasher.fingerprint();
        let right = |walked: &Walked| {
            index::encode(segment.base, fingerprint, &walked.contents, &walked.receipts)
        };
        match there()? {
            Some(index) if index != right(walked) => {}
            _ => return Ok(false),
        }
        // The segment may have grown, and been sealed, since it was looked at.
        let all = segment.walk_to_end(shared.finder())?;
        Ok(there()?.is_some_and(|index| index != right(&all)))
    }
}

impl Check {
    fn add_damages(&mut self, segment: &Segment, walked: &Walked) {
        for place in &walked.damages {
            self.damages.push(damage(segment, place.record, place.at, place.seqs));
        }
    }
}

fn damage(segment: &Segment, record: u64, at: u64, seqs: (Seq, Seq)) -> Damage {
    let seqs = Some(seqs).filter(|(first, last)| first <= last);
    Damage { segment: name_of(segment.base, LOG), record, at, seqs }
}
