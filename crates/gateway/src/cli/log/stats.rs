//! `tricast log stats`: what a log holds.

use std::{
    io::{self, Write as _},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use tricast_core::{Epoch, MessageId, Seq};
use tricast_disk::Tally;

use super::sight::{Sight, look, report, seqs, state};

/// Prints what the log in `path` holds.
pub(super) fn stats(path: &Path) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    let looked = match look(path)? {
        Sight::Log(looked) => looked,
        Sight::Damaged(error) => return Ok(report(&mut out, &error)?),
    };
    let epoch = looked.epoch;
    let id = |seq: Seq| MessageId { epoch, seq };
    let Tally { segments, records, bytes, first, last, newest, holes } = looked.tally();
    writeln!(out, "state     {}", state(path, &looked))?;
    writeln!(out, "epoch     {epoch}")?;
    for (earlier, upto) in &looked.lineage {
        writeln!(out, "earlier   {}", earlier_id(*earlier, *upto))?;
    }
    writeln!(out, "messages  {records}")?;
    writeln!(out, "bytes     {} ({bytes})", bytesize::ByteSize(bytes))?;
    writeln!(out, "segments  {segments}")?;
    if records > 0 {
        let newest = UNIX_EPOCH + Duration::from_millis(newest);
        let newest = humantime::format_rfc3339_millis(newest);
        writeln!(out, "first     {}", id(first))?;
        writeln!(out, "last      {}, published at {newest}", id(last))?;
    }
    if looked.reader.floor() > 0 {
        writeln!(out, "let go    up to {}", id(looked.reader.floor()))?;
    }
    for hole in holes {
        writeln!(out, "lost      {}", seqs(hole))?;
    }
    Ok(true)
}

fn earlier_id(epoch: Epoch, seq: Seq) -> String {
    format!("{epoch}, whose ids resume up to {}", MessageId { epoch, seq })
}
