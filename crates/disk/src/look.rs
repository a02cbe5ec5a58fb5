//! A log that is only looked at, by tools, also while another process writes it. Nothing is locked
//! and nothing is changed.

use std::{io, sync::Arc};

use tricast_core::{Epoch, ReadMemory, ReadRequest, Seq, Tagger};

use crate::{
    channel_hash::ChannelHasher,
    contents::pending_hole,
    disk::Disk,
    engine::{LogTagger, Source},
    meta::Meta,
    reader::Reader,
    segment::Segment,
    shared::Shared,
    survey::{Known, OpenError, Surveyed, last_known, read_meta, survey},
};

/// How often a log is looked at that changes meanwhile.
const ATTEMPTS: usize = 100;

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
    key: [u8; 32],
}

/// How a log is in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of segments.
    pub segments: usize,
    /// The number of records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The seq of the first record; 0 if there is no record.
    pub first: Seq,
    /// The seq of the last record; 0 if there is no record.
    pub last: Seq,
    /// The latest time of a record, in milliseconds since 1970.
    pub newest: u64,
    /// Seqs that may have been messages and are lost: the first and the last of each range.
    pub holes: Vec<(Seq, Seq)>,
}

impl Looked {
    /// Looks at a log; nothing if there is none.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn at(disk: Arc<dyn Disk>) -> Result<Option<Self>, OpenError> {
        for _ in 0..ATTEMPTS {
            let names = disk.list()?;
            let meta = match read_meta(&*disk, &names) {
                // A file that is being replaced may be missing in a list.
                Err(OpenError::MetaMissing) => read_meta(&*disk, &disk.list()?)?,
                meta => meta?,
            };
            let Some(meta) = meta else { return Ok(None) };
            match Self::look(&disk, &names, &meta) {
                // Retention took a segment that was listed.
                Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(looked) if is_same_life(&meta, &Meta::read(&*disk)?) => return Ok(Some(looked)),
                Ok(_) => {}
            }
        }
        Err(io::Error::other("it changes faster than it can be read; try again").into())
    }

    fn look(disk: &Arc<dyn Disk>, names: &[String], meta: &Meta) -> Result<Self, OpenError> {
        let shared = Shared::new(disk.clone(), ChannelHasher::new(&meta.key), meta.floor);
        let surveyed = survey(shared.finder(), names)?;
        let last = last_known(&surveyed, meta.floor);
        let kept = surveyed.into_iter().filter(|segment| !segment.is_let_go(meta.floor));
        let segments = kept.map(|found| segment_of(found, &shared));
        let segments: io::Result<Vec<Arc<Segment>>> = segments.collect();
        shared.set_segments(segments?);
        let (explained, visible) = match meta.clean {
            true => (meta.explained, meta.begin - 1),
            false => (meta.explained.max(last + 1), last),
        };
        shared.set_explained(explained);
        shared.show(visible);
        let reader = Reader::new(Arc::new(shared));
        let Meta { epoch, clean, key, .. } = *meta;
        Ok(Self { reader, epoch, lineage: meta.lineage.clone(), last, clean, key })
    }

    /// Counts what is there, without reading it.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut last = self.reader.floor();
        for segment in self.reader.shared.segments().iter() {
            let summary = segment.summary();
            tally.segments += 1;
            if summary.records == 0 {
                continue;
            }
            tally.records += summary.records;
            tally.bytes += summary.length;
            if tally.first == 0 {
                tally.first = summary.first;
            }
            (tally.last, tally.newest) = (summary.last, tally.newest.max(summary.newest));
            tally.holes.extend(pending_hole(last, summary.explains_from()));
            tally.holes.extend(&summary.holes);
            last = summary.last;
        }
        tally.holes.extend(pending_hole(last, self.reader.shared.explained()));
        tally
    }

    /// Reads messages as an engine does.
    ///
    /// # Errors
    /// If the disk cannot be read. What is damaged or was let go is no error, but a hole.
    pub fn read(
        &self,
        request: &ReadRequest,
        memory: &ReadMemory,
    ) -> io::Result<tricast_core::Portion> {
        let tagger: Arc<dyn Tagger> = Arc::new(LogTagger::new(&self.key));
        let source = Source { reader: self.reader.clone(), tagger };
        source.read(request, self.epoch, memory)
    }
}

/// Whether nothing was let go, and no other life began.
fn is_same_life(before: &Meta, after: &Meta) -> bool {
    let life = |meta: &Meta| (meta.epoch, meta.begin, meta.floor, meta.clean);
    life(before) == life(after)
}

fn segment_of(found: Surveyed, shared: &Shared) -> io::Result<Arc<Segment>> {
    let Surveyed { base, file, known } = found;
    let segment = match known {
        Known::Sealed(summary) => Segment::of_summary(base, file, summary),
        Known::Walked(walked) => {
            let seems_whole = walked.damages.is_empty();
            let segment = Segment::of_contents(base, file, walked.contents);
            if seems_whole {
                return Ok(Arc::new(segment));
            }
            // A write that was under way is seen in parts, and what is before its end is whole now.
            let again = segment.walk(shared.finder())?.contents;
            Segment::of_contents(base, segment.file, again)
        }
    };
    Ok(Arc::new(segment))
}
