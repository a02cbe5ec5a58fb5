//! `tricast log check`: reads every byte of a log.

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;
use tricast_disk::Damage;

use super::sight::{Sight, look, report, seqs, state};

/// Checks the log in `path`, prints what was found, and returns whether it is sound.
pub(super) fn check(path: &Path) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    let looked = match look(path)? {
        Sight::Log(looked) => looked,
        Sight::Damaged(error) => return Ok(report(&mut out, &error)?),
    };
    let failed = || format!("cannot read the log in {}", path.display());
    let check = looked.reader.check().with_context(failed)?;
    writeln!(
        out,
        "{} messages, {}, segments: {}; the log is {}",
        check.records,
        bytesize::ByteSize(check.bytes),
        check.segments,
        state(path, &looked)
    )?;
    for hole in &check.holes {
        writeln!(out, "lost: {}; readers are told a gap", seqs(*hole))?;
    }
    for Damage { segment, record, at, seqs: missing } in &check.damages {
        let missing = missing.map_or("no message is missing".to_owned(), seqs);
        writeln!(out, "damaged: {segment}, after record {record}, at byte {at}: {missing}")?;
    }
    for index in &check.indexes {
        writeln!(
            out,
            "damaged: {index}; remove it while no gateway runs, and the next start makes it again"
        )?;
    }
    writeln!(out, "{}", if check.is_sound() { "the log is sound" } else { "the log is damaged" })?;
    Ok(check.is_sound())
}
