//! What is in the folder of a log, before anything is changed.

use std::{io, sync::Arc};

use tricast_core::Seq;

use crate::{
    config::Machine,
    contents::{Summary, WalkError, Walked, walk},
    disk::{Disk, DiskFile},
    meta::{META, Meta, MetaError},
    planted,
    segment::{Finder, LOG, base_of, name_of},
    walk::Tail,
};

/// Why a log is not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the log.
    #[error("another process has the log open; stop it, or give this one another log.path")]
    Locked,
    /// There are segments and no `meta`.
    #[error(
        "the log has segments but no file `meta`; restore it from a backup, or begin a new epoch \
         with `tricast log new-epoch`"
    )]
    MetaMissing,
    /// `meta` cannot be read.
    #[error(
        "the file `meta` of the log cannot be used: {0}; restore it from a backup, or begin a new \
         epoch with `tricast log new-epoch`"
    )]
    Meta(String),
    /// The log is of another machine, or a copy.
    #[error(
        "the log was written on another machine or is a copy; if it was moved and the original is \
         not used again, run `tricast log adopt`, and if it was copied or restored from a backup, \
         run `tricast log new-epoch`"
    )]
    Foreign,
    /// A later version wrote to the log.
    #[error(
        "a later version of Tricast wrote to the log{}; run that version, or a later one, and \
         nothing is lost",
        .0.as_ref().map_or(String::new(), |format| format!(" (its format is {format})"))
    )]
    Later(Option<String>),
    /// The disk failed.
    #[error("the log cannot be opened: {0}")]
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<MetaError> for OpenError {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Io(error) => Self::Io(error),
            MetaError::Format(format) => Self::Later(Some(format)),
            error => Self::Meta(error.to_string()),
        }
    }
}

impl From<WalkError> for OpenError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Io(error) => Self::Io(error),
            WalkError::Later => Self::Later(None),
        }
    }
}

/// A segment as it was found.
pub(crate) struct Surveyed {
    pub(crate) base: Seq,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) known: Known,
}

/// How a segment is known.
pub(crate) enum Known {
    /// By its index.
    Sealed(Summary),
    Walked(Box<Walked>),
}

impl Surveyed {
    pub(crate) fn summary(&self) -> &Summary {
        match &self.known {
            Known::Sealed(summary) => summary,
            Known::Walked(walked) => &walked.contents.summary,
        }
    }

    /// Whether retention had let the segment go, and got no further.
    pub(crate) fn is_let_go(&self, floor: Seq) -> bool {
        (1..=floor).contains(&self.summary().last)
    }
}

/// Reads `meta`, if there is a log.
pub(crate) fn read_meta(disk: &dyn Disk, names: &[String]) -> Result<Option<Meta>, OpenError> {
    if !names.iter().any(|name| name == META) {
        let segments = names.iter().any(|name| base_of(name, LOG).is_some());
        return if segments { Err(OpenError::MetaMissing) } else { Ok(None) };
    }
    Ok(Some(Meta::read(disk)?))
}

/// The segments that cannot be believed although this boot wrote them: the first sync after a
/// failed writing back says so, and what then is read may be what was there before.
pub(crate) fn sync_before_reading(finder: Finder<'_>, names: &[String]) -> Vec<Seq> {
    let bases = names.iter().filter_map(|name| base_of(name, LOG));
    let unsealed = bases.filter(|base| !matches!(finder.summary(*base), Ok(Some(_))));
    let fails =
        |base: &Seq| finder.disk.open(&name_of(*base, LOG)).is_ok_and(|file| file.sync().is_err());
    unsealed.filter(fails).collect()
}

/// Reads all segments, and changes nothing.
pub(crate) fn survey(finder: Finder<'_>, names: &[String]) -> Result<Vec<Surveyed>, OpenError> {
    let mut bases: Vec<Seq> = names.iter().filter_map(|name| base_of(name, LOG)).collect();
    bases.sort_unstable();
    let mut surveyed = Vec::with_capacity(bases.len());
    for base in bases {
        let file = finder.disk.open(&name_of(base, LOG))?;
        let length = file.length()?;
        let known = match finder.summary(base)? {
            Some(summary) if summary.length <= length => Known::Sealed(summary),
            _ => Known::Walked(Box::new(walk(&*file, base, length, finder.hasher)?)),
        };
        surveyed.push(Surveyed { base, file, known });
    }
    Ok(surveyed)
}

/// The highest seq that is known from records or from their having been let go.
pub(crate) fn last_known(surveyed: &[Surveyed], floor: Seq) -> Seq {
    surveyed.iter().map(|segment| segment.summary().last).fold(floor, Seq::max)
}

/// Where the next life begins, and from where on nothing before that is lost.
pub(crate) fn next_life(
    meta: &Meta,
    surveyed: &[Surveyed],
    machine: &Machine,
    suspects: &[Seq],
) -> (Seq, Seq) {
    if meta.clean {
        return (meta.begin, meta.explained);
    }
    let last = last_known(surveyed, meta.floor);
    if planted::NoJump.is_on() {
        return (last.max(meta.begin - 1) + 1, last.max(meta.begin - 1) + 1);
    }
    let same_boot = !machine.boot.is_empty() && meta.boot == machine.boot;
    let same_boot = same_boot || planted::BootIgnored.is_on();
    // From the last record on: what is before it is found by the seqs.
    let mut ends = surveyed.iter().filter(|one| one.summary().last == last || one.base > last);
    let is_whole = |segment: &Surveyed| match &segment.known {
        Known::Sealed(_) => true,
        Known::Walked(_) if suspects.contains(&segment.base) => false,
        Known::Walked(walked) => {
            walked.tail == Tail::Clean || same_boot && walked.tail == Tail::Torn
        }
    };
    let complete = ends.all(is_whole) && !meta.suspect && (same_boot || meta.always);
    let begin = meta.reserved + 1;
    (begin, if complete { meta.explained.max(last + 1) } else { begin })
}
