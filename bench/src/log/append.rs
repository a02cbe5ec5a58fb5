//! What a publish costs: one stream of JSON lines as fast as it is taken, while nobody listens.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use super::{
    bare::BareFile,
    gateway::{Gateway, Keeping},
    lines,
    measurement::{Measurement, Outcome},
};
use crate::{
    figures::median,
    goal::{Bound, Goal},
};

const SIZE: usize = 128;
/// Before anything is counted: the rings are full then.
const WARM_UP: u64 = 50_000;
const MESSAGES: u64 = 1_000_000;
/// Of those that each wait for a sync.
const SYNCED_MESSAGES: u64 = 200_000;
/// How many lines of a stream the gateway has in flight.
const WINDOW: u64 = 1024;
/// What the threads beside the publish need to end what they have begun.
const AFTERWARDS: Duration = Duration::from_millis(500);

const WAYS: [Keeping; 4] =
    [Keeping::Memory, Keeping::Disk("os"), Keeping::Disk("100ms"), Keeping::Disk("always")];

/// One round of one gateway.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// CPU for each message, µs.
    micros: f64,
    rate: f64,
    /// Messages of one write; not a number in memory.
    batch: f64,
    /// The rate of the bare writer beside it.
    bare: f64,
}

pub(super) fn run(bench: &Measurement<'_>) -> anyhow::Result<Outcome> {
    let mut all: Vec<Vec<Round>> = vec![Vec::new(); WAYS.len()];
    for round in 0..bench.rounds {
        for (way, rounds) in WAYS.into_iter().zip(&mut all) {
            bench.shows(round, &way.name());
            rounds.push(measure(bench, way)?);
        }
    }
    let mut text = format!(
        "One stream of JSON lines of {SIZE} bytes, nobody listens.\n\n\
         | log | CPU for each message, µs | over memory, µs | messages a second | \
         messages of a write | rate, to the bare writer's |\n|---|---|---|---|---|---|\n"
    );
    let of = |rounds: &[Round], figure: &dyn Fn(&Round) -> f64| {
        median(rounds.iter().map(figure).collect())
    };
    let over_memory = |rounds: &[Round]| {
        median(rounds.iter().zip(&all[0]).map(|(one, memory)| one.micros - memory.micros).collect())
    };
    for (way, rounds) in WAYS.into_iter().zip(&all) {
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:+.2} | {:.0} | {:.0} | {:.2} |",
            way.name(),
            of(rounds, &|round| round.micros),
            over_memory(rounds),
            of(rounds, &|round| round.rate),
            of(rounds, &|round| round.batch),
            of(rounds, &|round| round.rate / round.bare),
        );
    }
    let (unit, lazily, always) = (" µs", &all[2], &all[3]);
    let goals = vec![
        Goal {
            figure: "CPU of a publish, \"100ms\" over memory",
            bound: Bound::AtMost(2.0),
            unit,
            reached: over_memory(lazily),
        },
        Goal {
            figure: "messages of a write, \"100ms\"",
            bound: Bound::AtLeast(64.0),
            unit: "",
            reached: of(lazily, &|round| round.batch),
        },
        Goal {
            figure: "rate of a stream, \"always\", to a bare writer's",
            bound: Bound::AtLeast(0.6),
            unit: "",
            reached: of(always, &|round| round.rate / round.bare),
        },
        Goal {
            figure: "CPU of a publish, \"always\" over memory",
            bound: Bound::AtMost(4.0),
            unit,
            reached: over_memory(always),
        },
    ];
    Ok(Outcome { text, goals })
}

fn measure(bench: &Measurement<'_>, way: Keeping) -> anyhow::Result<Round> {
    let folder = bench.empty_folder()?;
    let gateway = Gateway::start(way, folder.path(), &[])?;
    lines::publish(gateway.address(), "bench", SIZE, WARM_UP)?;
    thread::sleep(AFTERWARDS);
    let is_synced = way == Keeping::Disk("always");
    let messages = if is_synced { SYNCED_MESSAGES } else { MESSAGES };
    let (before, writes) = (gateway.cpu(), writes(&gateway, way)?);
    let begin = Instant::now();
    lines::publish(gateway.address(), "bench", SIZE, messages)?;
    let rate = messages as f64 / begin.elapsed().as_secs_f64();
    thread::sleep(AFTERWARDS);
    let micros = (gateway.cpu() - before).as_secs_f64() * 1e6 / messages as f64;
    let batch = messages as f64 / (self::writes(&gateway, way)? - writes);
    let bare = match is_synced {
        true => bare_rate(&gateway, folder.path(), messages)?,
        false => f64::NAN,
    };
    Ok(Round { micros, rate, batch, bare })
}

fn writes(gateway: &Gateway, way: Keeping) -> anyhow::Result<f64> {
    match way {
        Keeping::Memory => Ok(f64::NAN),
        Keeping::Disk(_) => gateway.metric("tricast_log_append_seconds_count"),
    }
}

/// How many messages a second a program takes that has nothing to do but write and sync them, with
/// as many in flight.
fn bare_rate(gateway: &Gateway, folder: &std::path::Path, messages: u64) -> anyhow::Result<f64> {
    let all = gateway.metric("tricast_log_disk_bytes")?;
    let record = all / (WARM_UP + messages) as f64;
    let bytes = vec![b'x'; (record * WINDOW as f64) as usize];
    let mut file = BareFile::new(folder)?;
    let begin = Instant::now();
    for _ in 0..messages / WINDOW {
        file.append(&bytes)?;
    }
    Ok((messages / WINDOW * WINDOW) as f64 / begin.elapsed().as_secs_f64())
}
