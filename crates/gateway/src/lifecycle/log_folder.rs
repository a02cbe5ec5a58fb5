//! The directory of the log on disk, as the settings name it.

use tricast_disk::{EngineConfig, Folder, holder};

use crate::settings::Settings;

/// The largest part of `history.memory` that is filled at the start, as a divisor: what is read in
/// a moment takes more room in memory than on the disk.
const WARM_UP_PART: u64 = 4;
/// The most bytes that are read at the start, so that it takes no longer than a moment.
const WARM_UP: u64 = 32 << 20;

/// Looks at the directory, if the log is on a disk, and changes nothing. Returns what an operator
/// should know.
///
/// # Errors
/// When a gateway could not keep its log there.
pub(crate) fn look(settings: &Settings) -> anyhow::Result<Vec<String>> {
    let log = &settings.log;
    if !log.is_on_disk() {
        return Ok(Vec::new());
    }
    let Folder { room, used, doubtful } = tricast_disk::look(&log.path)?;
    let path = log.path.display();
    let mut warnings = Vec::new();
    if log.bytes.as_u64().saturating_sub(used) > room {
        warnings.push(format!(
            "log.bytes is {}, and {path} has room for {} more; lower log.bytes, or give it a \
             larger disk: publishes are refused while the disk is full",
            log.bytes,
            bytesize::ByteSize(room)
        ));
    }
    if let Some(kind) = doubtful {
        warnings.push(format!(
            "log.path: {path} is on {kind}, which may not keep what is synced, or not lock; name \
             a directory on a local disk, or a volume"
        ));
    }
    Ok(warnings)
}

/// Says which process has the log open, if one has.
pub(crate) fn holder_note(settings: &Settings) -> Option<String> {
    let path = &settings.log.path;
    let process = settings.log.is_on_disk().then(|| holder(path).ok().flatten()).flatten()?;
    Some(format!(
        "process {process} has the log in {} open; another gateway can begin with it only after \
         that one has ended",
        path.display()
    ))
}

/// Returns how the engine keeps the log.
pub(crate) fn engine_config(settings: &Settings) -> EngineConfig {
    let (log, publish) = (&settings.log, &settings.publish);
    let mut config = EngineConfig::new(log.fsync.0, log.bytes.as_u64());
    config.age = Some(log.age);
    config.read_memory = log.read_memory.as_u64() as usize;
    config.warm_up = (settings.history.memory.as_u64() / WARM_UP_PART).min(WARM_UP);
    config.idempotency_window = publish.idempotency_window;
    config.idempotency_entries = publish.idempotency_entries;
    config
}

/// Returns how many files the log on disk may have open.
pub(crate) fn files(settings: &Settings) -> usize {
    match settings.log.is_on_disk() {
        true => engine_config(settings).files(),
        false => 0,
    }
}
