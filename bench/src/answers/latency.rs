//! The latency of a delta: of the upstream that is read directly, and to five devices behind the
//! gateway.

use std::{fmt::Write as _, thread, time::Duration};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;

use super::{
    Outcome, gateway,
    readers::{PROMPT, begin_post, follow, open, open_socket, post, read_until},
    upstream::Upstream,
};
use crate::{
    figures::{Latency, median},
    goal::{Bound, Goal},
};

const DELTAS: usize = 5000;
/// Before anything is counted.
const WARM_UP: usize = 500;
const PACE: Duration = Duration::from_millis(1);

pub(super) fn run(rounds: usize, bar: &ProgressBar) -> anyhow::Result<Outcome> {
    let (mut direct, mut devices) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        bar.set_prefix(format!("{}/{rounds} latency of a delta", round + 1));
        direct.push(measure_direct()?);
        devices.push(measure_devices()?);
    }
    let of =
        |all: &[Latency], figure: fn(&Latency) -> f64| median(all.iter().map(figure).collect());
    let mut text =
        String::from("One answer at 1,000 deltas/s.\n\n| | p50 / p99, ms |\n|---|---|\n");
    for (name, all) in [("upstream, read directly", &direct), ("five devices", &devices)] {
        let (p50, p99) = (of(all, |one| one.p50), of(all, |one| one.p99));
        let _ = writeln!(text, "| {name} | {p50:.3} / {p99:.3} |");
    }
    let added = |figure: fn(&Latency) -> f64| {
        let one = |(one, bare): (&Latency, &Latency)| figure(one) - figure(bare);
        median(devices.iter().zip(&direct).map(one).collect())
    };
    let goal =
        |figure, most, reached| Goal { figure, bound: Bound::AtMost(most), unit: " ms", reached };
    let goals = vec![
        goal("latency added to a delta, five devices, p50", 0.5, added(|one| one.p50)),
        goal("the same, p99", 3.0, added(|one| one.p99)),
    ];
    Ok(Outcome { text, goals })
}

fn measure_direct() -> anyhow::Result<Latency> {
    let upstream = Upstream::start()?;
    let mut socket = begin_post(upstream.address, "/v1/chat/completions", "{}")?;
    read_until(&mut socket, &["\r\n\r\n"])?;
    upstream.wait_for(1)?;
    let reading = follow(socket, WARM_UP, WARM_UP + DELTAS);
    upstream.send(WARM_UP + DELTAS, PACE, 0)?;
    let histogram = reading.join().map_err(|_| anyhow::anyhow!("a reader has failed"))??;
    Ok(Latency::of(&histogram))
}

fn measure_devices() -> anyhow::Result<Latency> {
    let upstream = Upstream::start()?;
    let gateway = gateway(upstream.address)?;
    let address = gateway.address;
    let mut sockets = vec![
        open(address, "/sse/a", "")?,
        open(address, "/sse/a", "")?,
        open(address, "/chunked/a", "")?,
        open(address, "/chunked/a", "")?,
        open_socket(address, "/ws/a")?,
    ];
    for socket in &mut sockets {
        read_until(socket, &["tricast.hello"])?;
    }
    post(address, "/llm/a", PROMPT)?;
    upstream.wait_for(1)?;
    // What is read at once becomes one delta, and is seen as often as it has times.
    let readings: Vec<_> =
        sockets.into_iter().map(|socket| follow(socket, WARM_UP, WARM_UP + DELTAS / 2)).collect();
    upstream.send(WARM_UP + DELTAS, PACE, 0)?;
    thread::sleep(Duration::from_millis(100));
    let mut all = Histogram::new(3)?;
    for reading in readings {
        all.add(reading.join().map_err(|_| anyhow::anyhow!("a reader has failed"))??)?;
    }
    Ok(Latency::of(&all))
}
