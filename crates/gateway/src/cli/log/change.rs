//! `tricast log adopt` and `tricast log new-epoch`: a log that was moved, copied or restored.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use tricast_core::{Epoch, unix_millis};
use tricast_disk::{Machine, disk::real::RealDisk};

use crate::{lifecycle::log_folder::engine_config, settings::Settings};

/// Makes the log in `path` this machine's.
pub(super) fn adopt(path: &Path) -> anyhow::Result<bool> {
    let disk = RealDisk::open(path).with_context(|| failed(path))?;
    tricast_disk::adopt(&disk, &Machine::this()).with_context(|| failed(path))?;
    println!("the log in {} belongs to this machine", path.display());
    Ok(true)
}

/// Begins a new epoch with the log in `path`.
pub(super) fn new_epoch(settings: &Settings, path: &Path) -> anyhow::Result<bool> {
    let disk = RealDisk::open(path).with_context(|| failed(path))?;
    let epoch = Epoch::begin(unix_millis() / 1000);
    let config = engine_config(settings).store;
    tricast_disk::new_epoch(Arc::new(disk), config, epoch).with_context(|| failed(path))?;
    println!("the log in {} has the epoch {epoch}", path.display());
    Ok(true)
}

fn failed(path: &Path) -> String {
    format!("cannot change the log in {}", path.display())
}
