//! What an answer of a model costs on its way through the gateway: beside the same upstream that is
//! read directly, beside a bare relay, in turn and in one run, with the goal of each figure.

mod cpu;
mod latency;
mod memory;
mod readers;
pub(crate) mod relay;
mod upstream;

use std::{fs, net::SocketAddr};

use anyhow::Context as _;
use clap::ValueEnum;
use indicatif::ProgressBar;

use crate::{
    goal::{Goal, goals},
    target::{Running, tricast},
};

/// What is measured of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The latency that is added to a delta, for five devices.
    Latency,
    /// The CPU of many answers at once.
    Cpu,
    /// The memory of answers, under way and ended, and the bytes of a reload.
    Memory,
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
}

/// What a part has found.
struct Outcome {
    text: String,
    goals: Vec<Goal>,
}

/// All of it, as Markdown.
pub(crate) fn run(options: &Options, bar: &ProgressBar) -> anyhow::Result<String> {
    let rounds = options.rounds.max(1);
    let parts = match options.part.as_slice() {
        [] => Part::value_variants(),
        parts => parts,
    };
    let mut all = Vec::new();
    for part in parts {
        let Outcome { text, goals } = match part {
            Part::Latency => latency::run(rounds, bar),
            Part::Cpu => cpu::run(rounds, bar),
            Part::Memory => memory::run(rounds, bar),
        }
        .with_context(|| format!("{part:?}"))?;
        bar.suspend(|| println!("{text}"));
        all.extend(goals);
    }
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!("{}\nLoad average at the end: {load}", goals(&all)))
}

/// Starts a gateway that lets anybody ask `upstream`.
fn gateway(upstream: SocketAddr) -> anyhow::Result<Running> {
    let llm = format!(
        "[{{ name = \"bench\", url = \"http://{upstream}/v1\", models = [\"m\"], at_once = 1000 }}]"
    );
    let settings = [
        ("TRICAST__LLM", llm.as_str()),
        ("TRICAST__ACCESS__PROMPT", "anyone"),
        ("TRICAST__RELAY__ORPHAN", "0s"),
        ("TRICAST__RELAY__RUNS_PER_USER", "0"),
    ];
    tricast("sse", "auto", "bench").start_with(&settings)
}
