//! `tricast log`: what an operator does to a log on disk while no gateway runs on it.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use tricast_core::{Epoch, unix_millis};
use tricast_disk::{Machine, adopt, disk::real::RealDisk, new_epoch};

use crate::{lifecycle::log_folder::engine_config, settings::Settings};

/// The arguments of `tricast log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Take over a log that was moved here; the original must never be used again
    Adopt,
    /// Begin a new epoch with a log that was copied or restored, or whose meta is lost
    NewEpoch,
}

/// Changes the log on disk that the settings name.
///
/// # Errors
/// When the settings name no log on disk, a gateway runs on it, or the disk fails.
pub fn log(settings: &Settings, args: &LogArgs) -> anyhow::Result<()> {
    let path = &settings.log.path;
    anyhow::ensure!(
        settings.log.is_on_disk(),
        "there is no log on disk: name its directory in log.path"
    );
    let failed = || format!("cannot change the log in {}", path.display());
    let disk = RealDisk::open(path).with_context(failed)?;
    match args.command {
        LogCommand::Adopt => {
            adopt(&disk, &Machine::this()).with_context(failed)?;
            println!("the log in {} belongs to this machine", path.display());
        }
        LogCommand::NewEpoch => {
            let epoch = Epoch::begin(unix_millis() / 1000);
            let config = engine_config(settings).store;
            new_epoch(Arc::new(disk), config, epoch).with_context(failed)?;
            println!("the log in {} has the epoch {epoch}", path.display());
        }
    }
    Ok(())
}
