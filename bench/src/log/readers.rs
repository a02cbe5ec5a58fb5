//! A thousand readers that begin with the oldest message of a large log: what they cost in memory,
//! and what others notice of them, beside the same readers served from the rings.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    gateway::{Gateway, Keeping},
    lines,
    measurement::{Measurement, Outcome},
    throttled::ThrottledReaders,
};
use crate::{
    figures::median,
    goal::{Bound, Goal},
    measure::{CONCURRENT_CONNECTS, Round, Workload},
    target::tricast,
};

const READERS: usize = 1000;
/// Bytes that each takes in a second.
const RATE: u64 = 128 << 10;
const CHANNELS: usize = 10;
const SIZE: usize = 1024;
/// Of each channel: 2 GB in all.
const MESSAGES: u64 = 200_000;
/// Live subscribers of another channel.
const LIVE: usize = 100;
/// What the readers have before the live messages begin.
const AHEAD: Duration = Duration::from_secs(1);

/// Everything in the rings.
const RINGS: [(&str, &str); 3] = [
    ("TRICAST__HISTORY__MEMORY", "8GiB"),
    ("TRICAST__HISTORY__BYTES", "8GiB"),
    ("TRICAST__HISTORY__MESSAGES", "10000000"),
];

/// Who serves the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Rings,
    Disk,
}

/// Of one round.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// Latency of live messages, ms.
    p50: f64,
    p99: f64,
    /// How much resident memory grew, MiB.
    grown: f64,
    /// What the readers took, MB/s.
    rate: f64,
    /// The gateway's CPU, cores.
    cores: f64,
}

pub(super) fn run(bench: &Measurement<'_>) -> anyhow::Result<Outcome> {
    let folder = bench.empty_folder()?;
    bench.bar.set_prefix("readers: filling logs of 2 GB");
    let disk = Gateway::start(Keeping::Disk("100ms"), folder.path(), &[])?;
    let rings = Gateway::start(Keeping::Memory, folder.path(), &RINGS)?;
    fill(disk.address())?;
    fill(rings.address())?;
    let mut all: [Vec<Load>; 2] = Default::default();
    for round in 0..bench.rounds {
        for (source, gateway, rounds) in [(Source::Rings, &rings, 0), (Source::Disk, &disk, 1)] {
            bench.shows(round, &format!("{READERS} readers, {source:?}"));
            all[rounds].push(measure(bench, gateway)?);
        }
    }
    drop(rings);
    let mut text = format!(
        "{READERS} readers from the oldest message of a log of 2 GB, {} KiB a second each, beside \
         {LIVE} subscribers of another channel with 20 messages a second.\n\n\
         | served from | live p50 / p99, ms | RSS grew by, MiB | readers took, MB/s | \
         CPU, cores |\n\
         |---|---|---|---|---|\n",
        RATE >> 10
    );
    for (source, rounds) in [Source::Rings, Source::Disk].into_iter().zip(&all) {
        let of = |figure: fn(&Load) -> f64| median(rounds.iter().map(figure).collect());
        let _ = writeln!(
            text,
            "| {source:?} | {:.2} / {:.2} | {:.0} | {:.0} | {:.2} |",
            of(|load| load.p50),
            of(|load| load.p99),
            of(|load| load.grown),
            of(|load| load.rate),
            of(|load| load.cores)
        );
    }
    let p99 = all[1].iter().zip(&all[0]).map(|(disk, rings)| disk.p99 / rings.p99).collect();
    let grown = all[1].iter().map(|load| load.grown).fold(0.0, f64::max);
    bench.bar.set_prefix("one reader beside those that take nothing");
    let alone = catch_up(disk.address())?;
    let idle = ThrottledReaders::open(disk.address(), READERS, 0, path)?;
    thread::sleep(AHEAD);
    let beside = catch_up(disk.address())?;
    drop(idle);
    let _ = writeln!(
        text,
        "\nOne reader of {MESSAGES} messages: {:.1} s alone, {:.1} s beside {READERS} that take \
         nothing.",
        alone.as_secs_f64(),
        beside.as_secs_f64()
    );
    let goal =
        |figure, most, unit, reached| Goal { figure, bound: Bound::AtMost(most), unit, reached };
    let goals = vec![
        goal("RSS with 1,000 readers of the log, growth", 100.0, " MiB", grown),
        goal("live p99 beside them, to that beside readers of rings", 1.5, "", median(p99)),
    ];
    Ok(Outcome { text, goals })
}

fn path(n: usize) -> String {
    format!("/sse/past-{}?since=earliest", n % CHANNELS)
}

/// Publishes to all channels at once, so that their messages lie between each other.
fn fill(address: SocketAddr) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let publish = |n| move || lines::publish(address, &format!("past-{n}"), SIZE, MESSAGES);
        let all: Vec<_> = (0..CHANNELS).map(|n| scope.spawn(publish(n))).collect();
        let join = |one: thread::ScopedJoinHandle<'_, anyhow::Result<()>>| {
            one.join().map_err(|_| anyhow::anyhow!("a publisher panicked"))?
        };
        all.into_iter().try_for_each(join)
    })
}

fn measure(bench: &Measurement<'_>, gateway: &Gateway) -> anyhow::Result<Load> {
    let load = Workload::of(100, 20.0);
    let live = tricast("sse", "auto", "live");
    let address = gateway.address();
    let mut round = Round::new(&load, address, bench.bar)?;
    round.connect(&live.subscribe, LIVE, CONCURRENT_CONNECTS)?;
    let before = gateway.rss();
    let mut readers = ThrottledReaders::open(address, READERS, RATE, path)?;
    let stop = AtomicBool::new(false);
    let begin = Instant::now();
    let cpu = gateway.cpu();
    let (taken, peak) = thread::scope(|scope| {
        let reading = scope.spawn(|| readers.read_until(&stop));
        let watching = scope.spawn(|| watch_rss(gateway, &stop));
        thread::sleep(AHEAD);
        let usage = || gateway.running.process.usage();
        let measured = round.messages(&live.publish, &usage);
        stop.store(true, Ordering::Relaxed);
        let panicked = |_| anyhow::anyhow!("a reader panicked");
        let taken = reading.join().map_err(panicked)??;
        let peak = watching.join().map_err(panicked)?;
        measured.map(|()| (taken, peak))
    })?;
    let took = begin.elapsed().as_secs_f64();
    let cores = (gateway.cpu() - cpu).as_secs_f64() / took;
    let figures = &round.figures;
    anyhow::ensure!(figures.undelivered == 0, "live messages were lost");
    Ok(Load {
        p50: figures.p50_ms,
        p99: figures.p99_ms,
        grown: peak - before,
        rate: taken as f64 / 1e6 / took,
        cores,
    })
}

/// The most resident memory until `stop`, MiB.
fn watch_rss(gateway: &Gateway, stop: &AtomicBool) -> f64 {
    let mut peak = 0.0_f64;
    while !stop.load(Ordering::Relaxed) {
        peak = peak.max(gateway.rss());
        thread::sleep(Duration::from_millis(100));
    }
    peak
}

/// Reads all of one channel as fast as it comes; returns how long that took.
fn catch_up(address: SocketAddr) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(socket, "GET /chunked/past-0?since=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut buffer = vec![0; 256 << 10];
    let goal = MESSAGES * SIZE as u64;
    let mut taken = 0;
    while taken < goal {
        let count = socket.read(&mut buffer)?;
        anyhow::ensure!(count > 0, "the reader's stream was ended");
        taken += count as u64;
    }
    Ok(begin.elapsed())
}
