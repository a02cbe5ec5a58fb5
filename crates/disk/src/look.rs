//! A log that is only looked at: by tools, and by a process that is about to take the log over from
//! one that still writes it. Nothing is locked and nothing is changed.

use std::{io, sync::Arc};

use tricast_core::{Epoch, Seq};

use crate::{
    channel_hash::ChannelHasher,
    contents::pending_hole,
    disk::{Disk, read_all},
    gathering::holes,
    index,
    reader::Reader,
    segment::{INDEX, Segment, name_of},
    shared::Shared,
    survey::{Known, OpenError, last_known, read_meta, survey},
};

/// A log that is looked at.
pub struct Looked {
    /// Reads what was there when it was looked at.
    pub reader: Reader,
    /// The epoch.
    pub epoch: Epoch,
    /// Earlier epochs, and the last seq of each that this log has.
    pub lineage: Vec<(Epoch, Seq)>,
    /// The last seq of a record.
    pub last: Seq,
    /// Whether the log was closed, and nobody writes it.
    pub clean: bool,
}

impl Looked {
    /// Looks at a log; nothing if there is none.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn at(disk: Arc<dyn Disk>) -> Result<Option<Self>, OpenError> {
        let names = disk.list()?;
        let Some(meta) = read_meta(&*disk, &names)? else { return Ok(None) };
        let shared = Shared::new(disk, ChannelHasher::new(&meta.key), meta.floor);
        let surveyed = survey(shared.finder(), &names)?;
        let last = last_known(&surveyed, meta.floor);
        let kept = surveyed.into_iter().filter(|segment| !segment.is_let_go(meta.floor));
        let segments = kept.map(|found| match found.known {
            Known::Sealed(summary) => Segment::of_summary(found.base, found.file, summary),
            Known::Walked(walked) => Segment::of_contents(found.base, found.file, walked.contents),
        });
        shared.set_segments(segments.map(Arc::new).collect());
        let (explained, visible) = match meta.clean {
            true => (meta.explained, meta.begin - 1),
            false => (meta.explained.max(last + 1), last),
        };
        shared.set_explained(explained);
        shared.show(visible);
        let reader = Reader::new(Arc::new(shared));
        let (epoch, lineage, clean) = (meta.epoch, meta.lineage, meta.clean);
        Ok(Some(Self { reader, epoch, lineage, last, clean }))
    }
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
    /// How many places between records are damaged.
    pub damages: u64,
    /// How many indexes are missing or not what their segment says; each can be made again.
    pub indexes: usize,
    /// Seqs that may have been messages and are lost.
    pub holes: Vec<(Seq, Seq)>,
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
            check.damages += walked.damages + u64::from(found.length < known.length);
            if found.records > 0 {
                check.holes.extend(pending_hole(last, found.explains_from()));
                check.holes.extend(&found.holes);
                last = found.last;
            }
            if known.last > last {
                check.holes.push((last + 1, known.last));
                last = known.last;
            }
            let fingerprint = shared.hasher.fingerprint();
            let right =
                index::encode(segment.base, fingerprint, &walked.contents, &walked.receipts);
            let is_open = shared.unsealed().iter().any(|open| open.base == segment.base);
            let name = name_of(segment.base, INDEX);
            let there = shared.disk.open(&name).and_then(|file| read_all(&*file));
            if !is_open && known.records > 0 && there.is_ok_and(|there| there != right) {
                check.indexes += 1;
            }
        }
        check.holes.extend(holes(&segments, shared, last, self.head()));
        check.holes.retain(|(_, to)| *to > self.floor());
        Ok(check)
    }
}
