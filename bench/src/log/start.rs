//! The start with a large log after kill -9.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{
    gateway::{Gateway, Keeping},
    lines,
    measurement::{Measurement, Outcome},
};
use crate::{
    figures::median,
    goal::{Bound, Goal},
};

const KEEPING: Keeping = Keeping::Disk("100ms");
const CHANNELS: u64 = 100;
const SIZE: usize = 1024;
/// The log at the first start, in messages: more than 1 GB.
const MESSAGES: u64 = 1_000_000;
/// What is published before each kill: most of a segment.
const MORE: u64 = 40_000;
const MIB: f64 = 1024.0 * 1024.0;

/// One start.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Until `/readyz` said yes, s.
    took: f64,
    /// What reading, writing and syncing the unfinished segment took, s.
    segment: f64,
    /// CPU until then, s.
    cpu: f64,
    /// Resident at the peak, MiB.
    rss: f64,
    /// The messages in the rings, MiB.
    rings: f64,
    /// The log, GB.
    log: f64,
}

pub(super) fn run(bench: &Measurement<'_>) -> anyhow::Result<Outcome> {
    let folder = bench.empty_folder()?;
    bench.bar.set_prefix("start: filling a log of 1 GB");
    let mut gateway = Gateway::start(KEEPING, folder.path(), &[])?;
    for channel in 0..CHANNELS {
        let channel = format!("start-{channel}");
        lines::publish(gateway.address(), &channel, SIZE, MESSAGES / CHANNELS)?;
    }
    let mut starts = Vec::new();
    for round in 0..bench.rounds {
        bench.shows(round, "start");
        lines::publish(gateway.address(), "start", SIZE, MORE)?;
        gateway.running.process.kill()?;
        let segment = rewrite_newest(&folder.path().join("log"), folder.path())?;
        gateway = Gateway::start(KEEPING, folder.path(), &[])?;
        starts.push(Start {
            took: gateway.started_in.as_secs_f64(),
            segment: segment.as_secs_f64(),
            cpu: gateway.cpu().as_secs_f64(),
            rss: gateway.running.process.peak_rss()? / 1024.0,
            rings: gateway.metric("tricast_log_bytes")? / MIB,
            log: gateway.metric("tricast_log_disk_bytes")? / 1e9,
        });
    }
    let of = |figure: &dyn Fn(&Start) -> f64| median(starts.iter().map(figure).collect());
    let (less, beyond) =
        (of(&|start| start.took - start.segment), of(&|start| start.rss - start.rings));
    let mut text = format!(
        "Starts after kill -9, page cache warm, messages of {SIZE} bytes in {CHANNELS} \
         channels.\n\n\
         | log, GB | until ready, s | reading, writing and syncing one segment, s | CPU, s | \
         peak RSS, MiB | in the rings, MiB |\n|---|---|---|---|---|---|\n"
    );
    for Start { took, segment, cpu, rss, rings, log } in &starts {
        let _ = writeln!(
            text,
            "| {log:.2} | {took:.3} | {segment:.3} | {cpu:.3} | {rss:.0} | {rings:.0} |"
        );
    }
    let goal =
        |figure, most, unit, reached| Goal { figure, bound: Bound::AtMost(most), unit, reached };
    let goals = vec![
        goal(
            "start with 1 GB after kill -9, less one segment's read, write and sync",
            1.0,
            " s",
            less,
        ),
        goal("peak RSS of that start beyond the rings", 150.0, " MiB", beyond),
    ];
    Ok(Outcome { text, goals })
}

/// Reads, writes in its place and syncs a copy of the newest segment, as any recovery has to that
/// does not trust the page cache; returns how long that took.
fn rewrite_newest(log: &Path, scratch: &Path) -> anyhow::Result<Duration> {
    let newest = newest_segment(log)?;
    let copy = scratch.join("copy");
    fs::copy(&newest, &copy)?;
    let file = OpenOptions::new().read(true).write(true).open(&copy)?;
    file.sync_all()?;
    let begin = Instant::now();
    let mut block = vec![0; 256 << 10];
    let mut at = 0;
    loop {
        let count = file.read_at(&mut block, at)?;
        // The length of a segment is set ahead; zeros are not written again.
        if count == 0 || block[..count].iter().all(|byte| *byte == 0) {
            break;
        }
        file.write_all_at(&block[..count], at)?;
        at += count as u64;
    }
    file.sync_data()?;
    let took = begin.elapsed();
    fs::remove_file(copy)?;
    Ok(took)
}

fn newest_segment(log: &Path) -> anyhow::Result<PathBuf> {
    let files = fs::read_dir(log)?.map(|entry| Ok(entry?.path()));
    let files: Vec<PathBuf> = files.collect::<std::io::Result<_>>()?;
    let segments = files.into_iter().filter(|path| path.extension().is_some_and(|it| it == "log"));
    segments.max().context("the log has no segment")
}
