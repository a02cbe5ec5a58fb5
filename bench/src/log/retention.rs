//! Publishing while segments are sealed and let go all the time, beside the same while none is.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    gateway::{Gateway, Keeping},
    lines,
    measurement::{Measurement, Outcome},
};
use crate::{
    fairness::NdjsonPublisher,
    figures::median,
    goal::{Bound, Goal},
    marker::Clock,
    talk::{RATE, WsPublishers},
};

const KEEPING: Keeping = Keeping::Disk("100ms");
const SIZE: usize = 1024;
/// Lines beside, a second: a segment of 4 MiB lasts 400 ms.
const LINES: u64 = 10_000;
/// How many of them are sent at once.
const BLOCK: u64 = 100;
const SECONDS: u64 = 4;

/// How much the log may keep.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    bytes: &'static str,
    /// What is in the log before, in lines.
    before: u64,
}

const CASES: [Case; 2] = [
    // Segments of 64 MiB: less than one is written.
    Case { name: "no segment ends", bytes: "10GiB", before: 1000 },
    // Segments of 4 MiB, and room for eight.
    Case { name: "segments are sealed and let go", bytes: "32MiB", before: 40_000 },
];

/// Of one round.
#[derive(Clone, Copy, Debug)]
struct Round {
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
    /// Messages that were let go.
    let_go: f64,
}

pub(super) fn run(bench: &Measurement<'_>) -> anyhow::Result<Outcome> {
    let mut all: Vec<Vec<Round>> = vec![Vec::new(); CASES.len()];
    for round in 0..bench.rounds {
        for (case, rounds) in CASES.iter().zip(&mut all) {
            bench.shows(round, case.name);
            rounds.push(measure(bench, case)?);
        }
    }
    let mut text = format!(
        "{RATE} messages of 128 bytes a second by WebSockets, beside {LINES} lines of {SIZE} \
         bytes.\n\n\
         | log | p50 / p99 / p99.9 / max of a publish, ms | messages let go |\n|---|---|---|\n"
    );
    for (case, rounds) in CASES.iter().zip(&all) {
        let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
        let _ = writeln!(
            text,
            "| {} | {:.2} / {:.2} / {:.2} / {:.2} | {:.0} |",
            case.name,
            of(|round| round.p50),
            of(|round| round.p99),
            of(|round| round.p999),
            of(|round| round.max),
            of(|round| round.let_go),
        );
    }
    let ratios = all[1].iter().zip(&all[0]).map(|(with, without)| with.p999 / without.p999);
    let goals = vec![Goal {
        figure: "p99.9 of a publish while segments are sealed and let go, to without",
        bound: Bound::AtMost(2.0),
        unit: "",
        reached: median(ratios.collect()),
    }];
    Ok(Outcome { text, goals })
}

fn measure(bench: &Measurement<'_>, case: &Case) -> anyhow::Result<Round> {
    let folder = bench.empty_folder()?;
    let gateway = Gateway::start(KEEPING, folder.path(), &[("TRICAST__LOG__BYTES", case.bytes)])?;
    let (address, clock) = (gateway.address(), Clock::new());
    lines::publish(address, "beside", SIZE, case.before)?;
    let mut publishers = WsPublishers::open(address, |n| format!("/ws/talk{n}"))?;
    let stop = AtomicBool::new(false);
    let let_go = thread::scope(|scope| {
        let beside = scope.spawn(|| publish_beside(address, &stop));
        publishers.publish(RATE, clock, bench.bar)?;
        publishers.latency.reset();
        let floor = gateway.metric("tricast_log_floor")?;
        let published = publishers.publish(RATE * SECONDS, clock, bench.bar);
        stop.store(true, Ordering::Relaxed);
        beside.join().map_err(|_| anyhow::anyhow!("the publisher beside panicked"))??;
        published?;
        anyhow::Ok(gateway.metric("tricast_log_floor")? - floor)
    })?;
    let at = |quantile| publishers.latency.value_at_quantile(quantile) as f64 / 1e3;
    let max = publishers.latency.max() as f64 / 1e3;
    Ok(Round { p50: at(0.5), p99: at(0.99), p999: at(0.999), max, let_go })
}

/// Publishes lines at a steady rate.
fn publish_beside(address: SocketAddr, stop: &AtomicBool) -> anyhow::Result<()> {
    let mut publisher = NdjsonPublisher::open(address, "beside")?;
    let lines = format!("\"{}\"\n", "x".repeat(SIZE - 2)).repeat(BLOCK as usize);
    let begin = Instant::now();
    for sent in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        publisher.send(&lines)?;
        let due = begin + Duration::from_secs_f64(((sent + 1) * BLOCK) as f64 / LINES as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
