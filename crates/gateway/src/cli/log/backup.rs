//! `tricast log backup`: a copy of a log, made while a gateway runs on it.

use std::{
    io::{self, Write as _},
    path::Path,
};

use tricast_core::MessageId;
use tricast_disk::Backup;

/// Makes a backup of the log in `path` in the directory `to`.
pub(super) fn back_up(path: &Path, to: &Path) -> anyhow::Result<bool> {
    let Backup { epoch, last, records, linked, copied } = tricast_disk::back_up(path, to)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} has {records} messages up to {}; segments: {linked} shared with the log, {copied} \
         copied",
        to.display(),
        MessageId { epoch, seq: last }
    )?;
    writeln!(
        out,
        "to restore it, copy it to the directory of log.path and run `tricast log new-epoch`"
    )?;
    Ok(true)
}
