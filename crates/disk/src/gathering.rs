//! A portion while it is gathered from segments.

use std::io;

use tricast_core::Seq;

use crate::{
    contents::pending_hole,
    planted,
    portion::{Portion, PortionLimit},
    shared::{Segments, Shared},
    window::Taken,
};

/// The holes after one seq and up to another that the seqs of records show.
pub(crate) fn holes(
    segments: &Segments,
    shared: &Shared,
    after: Seq,
    upto: Seq,
) -> Vec<(Seq, Seq)> {
    let mut holes = Vec::new();
    let mut last = shared.floor().max(after);
    for segment in &segments[first_segment(segments, after)..] {
        if segment.base > upto {
            break;
        }
        let summary = segment.summary();
        if summary.records == 0 || summary.last <= last {
            continue;
        }
        holes.extend(pending_hole(last, summary.explains_from()));
        holes.extend(summary.holes.iter().copied());
        last = summary.last;
    }
    holes.extend(pending_hole(last, shared.explained()));
    holes
}

/// The segment that has the first seq after `after`.
fn first_segment(segments: &Segments, after: Seq) -> usize {
    segments.partition_point(|segment| segment.base <= after + 1).saturating_sub(1)
}

/// A portion that is being gathered.
pub(crate) struct Gathering {
    pub(crate) portion: Portion,
    limit: PortionLimit,
    bytes: u64,
    pub(crate) segments: Segments,
    /// What the seqs of records show, over all that is asked for.
    holes: Vec<(Seq, Seq)>,
    /// The holes from here on are of damage that no record follows yet.
    open_holes: usize,
}

impl Gathering {
    pub(crate) fn begin(shared: &Shared, after: Seq, until: Seq, limit: PortionLimit) -> Self {
        // The order counts: all that is visible is in the segments that are taken after.
        let upto = until.min(shared.visible()).max(after);
        let segments = shared.segments();
        let floor = shared.floor();
        let holes = holes(&segments, shared, after, upto);
        let portion = Portion { after, upto, floor, ..Portion::default() };
        let open_holes = holes.len();
        Self { portion, limit, bytes: 0, segments, holes, open_holes }
    }

    pub(crate) fn first_segment(&self) -> usize {
        first_segment(&self.segments, self.portion.after)
    }

    pub(crate) fn wanted(&self) -> usize {
        self.limit.messages.saturating_sub(self.portion.records.len()).max(1)
    }

    pub(crate) fn hole(&mut self, from: Seq, to: Seq) {
        if !planted::DamageSilent.is_on() {
            self.holes.push((from, to));
        }
    }

    /// Adds what was found at a place; true if the portion is full.
    pub(crate) fn add(
        &mut self,
        taken: Taken,
        damage: impl FnOnce() -> io::Result<(Seq, Seq)>,
    ) -> io::Result<bool> {
        let portion = &mut self.portion;
        match taken {
            Taken::Record(record, size) => {
                // What was damaged before this record had a lower seq.
                for (_, last) in &mut self.holes[self.open_holes..] {
                    *last = (*last).min(record.seq - 1);
                }
                self.open_holes = self.holes.len();
                if record.seq <= portion.after {
                    return Ok(false);
                }
                if record.seq > portion.upto {
                    return Ok(true);
                }
                let has = portion.records.len();
                let over = has > 0 && self.bytes + size > self.limit.bytes;
                if over || has >= self.limit.messages {
                    portion.upto = portion.records.last().map_or(portion.after, |last| last.seq);
                    portion.more = true;
                    return Ok(true);
                }
                self.bytes += size;
                portion.records.push(*record);
            }
            Taken::Damaged => {
                let (from, to) = damage()?;
                let last = self.portion.records.last().map_or(0, |record| record.seq);
                self.hole(from.max(last + 1), to);
            }
            Taken::Other => {}
        }
        Ok(false)
    }

    pub(crate) fn end(mut self) -> Portion {
        self.portion.holes = self.holes;
        self.portion.settle_holes();
        self.portion
    }
}
