//! `tricast log`: what an operator does with a log on disk. Looking at it and copying it work
//! beside a running gateway; changing it does not.

mod backup;
mod cat;
mod change;
mod check;
mod sight;
mod stats;

use std::{io, path::PathBuf};

use clap::{Args, Subcommand};

use self::cat::CatArgs;
use crate::settings::Settings;

/// The text below the commands in `tricast log --help`.
const AFTER_HELP: &str = "\
The log is that of log.path in the settings (--config, TRICAST__LOG__PATH), if no DIR is given.

Exit codes:
  0  when it is done, and what was read is sound
  1  when the log is damaged
  2  when it could not be done";

/// The arguments of `tricast log`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Read every byte of a log, and say what is damaged and what is lost; a gateway may run on it
    Check(Place),
    /// Say what a log holds; a gateway may run on it
    Stats(Place),
    /// Print the messages of a channel, one JSON document on each line; a gateway may run on it
    Cat(CatArgs),
    /// Make a backup in a new directory; a gateway may run on the log
    Backup {
        /// The directory of the backup: it must be empty, or not exist yet
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    /// Take over a log that was moved here; the original must never be used again
    Adopt,
    /// Begin a new epoch with a log that was copied or restored, or whose meta is lost
    NewEpoch,
}

/// Where a log is.
#[derive(Debug, Args)]
struct Place {
    /// The directory of the log [default: log.path of the settings]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Does a command on a log on disk; returns whether what it read is sound.
///
/// # Errors
/// When the command cannot be done.
pub fn log(settings: &Settings, args: LogArgs) -> anyhow::Result<bool> {
    let done = match args.command {
        LogCommand::Check(place) => check::check(&path_of(settings, place.dir)?),
        LogCommand::Stats(place) => stats::stats(&path_of(settings, place.dir)?),
        LogCommand::Cat(args) => cat::cat(&path_of(settings, args.dir.clone())?, &args),
        LogCommand::Backup { to } => backup::back_up(&path_of(settings, None)?, &to),
        LogCommand::Adopt => change::adopt(&path_of(settings, None)?),
        LogCommand::NewEpoch => change::new_epoch(settings, &path_of(settings, None)?),
    };
    done.or_else(|error| match is_closed_pipe(&error) {
        true => Ok(true),
        false => Err(error),
    })
}

/// The directory of the log: the given one, or that of the settings.
fn path_of(settings: &Settings, given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given);
    }
    anyhow::ensure!(
        settings.log.is_on_disk(),
        "there is no log on disk: name its directory in log.path"
    );
    Ok(settings.log.path.clone())
}

/// Whether nobody reads what is printed any more, as behind `head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(is_closed)
}
