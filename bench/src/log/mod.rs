//! What the log on disk costs, beside the same gateway in memory and beside a bare writer: in turn
//! and in one run, with the goal of each figure.

mod append;
mod bare;
mod broadcast;
mod gateway;
mod lines;
mod measurement;
mod post;
mod readers;
mod retention;
mod start;
mod throttled;

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use indicatif::ProgressBar;

use measurement::{Measurement, Outcome};

use crate::goal::goals;

/// What is measured of the log on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The CPU of a publish, and the rate of one stream that is synced.
    Append,
    /// The latency of one POST at a time.
    Post,
    /// Live broadcast, and the memory of connections.
    Broadcast,
    /// The start after kill -9.
    Start,
    /// Publishes while segments are sealed and let go.
    Retention,
    /// A thousand readers of a large log.
    Readers,
}

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    part: Vec<Part>,
    /// Rounds; the tables show medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the logs are made, on the file system that is to be measured.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// All of it, as Markdown.
pub(crate) fn run(options: &Options, bar: &ProgressBar) -> anyhow::Result<String> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let bench = Measurement { rounds: options.rounds.max(1), folder, bar };
    let parts = match options.part.as_slice() {
        [] => Part::value_variants(),
        parts => parts,
    };
    let mut all = Vec::new();
    for part in parts {
        let Outcome { text, goals } = match part {
            Part::Append => append::run(&bench),
            Part::Post => post::run(&bench),
            Part::Broadcast => broadcast::run(&bench),
            Part::Start => start::run(&bench),
            Part::Retention => retention::run(&bench),
            Part::Readers => readers::run(&bench),
        }
        .with_context(|| format!("{part:?}"))?;
        // Shown at once: what follows takes minutes.
        bar.suspend(|| println!("{text}"));
        all.extend(goals);
    }
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!("{}\nLoad average at the end: {load}", goals(&all)))
}
