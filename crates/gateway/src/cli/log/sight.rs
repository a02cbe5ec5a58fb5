//! A log that a command looks at.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use tricast_disk::{Looked, OpenError, disk::real::RealDisk, holder};

/// What a command sees of a log.
pub(super) enum Sight {
    Log(Box<Looked>),
    /// It cannot be read because it is damaged.
    Damaged(OpenError),
}

/// Looks at the log in `path`.
pub(super) fn look(path: &Path) -> anyhow::Result<Sight> {
    let failed = || format!("cannot read the log in {}", path.display());
    let disk = RealDisk::open_to_look(path).with_context(failed)?;
    match Looked::at(Arc::new(disk)) {
        Ok(Some(looked)) => Ok(Sight::Log(Box::new(looked))),
        Ok(None) => {
            anyhow::bail!("there is no log in {}: name its directory in log.path", path.display())
        }
        Err(error @ (OpenError::Meta(_) | OpenError::MetaMissing)) => Ok(Sight::Damaged(error)),
        Err(error) => Err(error).with_context(failed),
    }
}

/// Says who has the log open.
pub(super) fn state(path: &Path, looked: &Looked) -> String {
    match holder(path) {
        Ok(Some(process)) => format!("open in process {process}"),
        _ if looked.clean => "closed".to_owned(),
        _ => "open, or not closed well".to_owned(),
    }
}

/// Says why a log cannot be read, and that it is damaged.
pub(super) fn report(out: &mut impl Write, error: &OpenError) -> io::Result<bool> {
    writeln!(out, "damaged: {error}")?;
    Ok(false)
}

/// Some seqs in words.
pub(super) fn seqs((first, last): (u64, u64)) -> String {
    match first == last {
        true => format!("seq {first}"),
        false => format!("seqs {first} to {last}"),
    }
}
