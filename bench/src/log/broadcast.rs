//! Live broadcast and idle connections, which the log on disk must not make dearer.

use std::fmt::Write as _;

use super::{
    gateway::{Gateway, Keeping},
    measurement::{Measurement, Outcome},
};
use crate::{
    figures::{Figures, median},
    goal::{Bound, Goal},
    measure::{Round, Workload},
    target::tricast,
};

const WAYS: [Keeping; 2] = [Keeping::Memory, Keeping::Disk("100ms")];
const SUBSCRIBERS: usize = 5000;
/// The lower end of the memory slope.
const FEW: usize = 500;

pub(super) fn run(bench: &Measurement<'_>) -> anyhow::Result<Outcome> {
    let mut all: Vec<Vec<Figures>> = vec![Vec::new(); WAYS.len()];
    for round in 0..bench.rounds {
        for (way, rounds) in WAYS.into_iter().zip(&mut all) {
            bench.shows(round, &format!("broadcast, {}", way.name()));
            rounds.push(measure(bench, way)?);
        }
    }
    let mut text = format!(
        "{SUBSCRIBERS} subscribers of one channel, 20 messages of 128 bytes a second.\n\n\
         | log | CPU for each delivery, µs | idle connection, KiB |\n|---|---|---|\n"
    );
    for (way, rounds) in WAYS.into_iter().zip(&all) {
        let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
        let (cpu, memory) = (of(|round| round.cpu_us), of(|round| round.idle_kib));
        let _ = writeln!(text, "| {} | {cpu:.2} | {memory:.2} |", way.name());
    }
    let ratio = |figure: fn(&Figures) -> f64| {
        median(
            all[1]
                .iter()
                .zip(&all[0])
                .map(|(disk, memory)| figure(disk) / figure(memory))
                .collect(),
        )
    };
    let goal = |figure, reached| Goal { figure, bound: Bound::AtMost(1.1), unit: "", reached };
    let goals = vec![
        goal("CPU of a delivery, disk to memory", ratio(|round| round.cpu_us)),
        goal("memory of an idle connection, disk to memory", ratio(|round| round.idle_kib)),
    ];
    Ok(Outcome { text, goals })
}

fn measure(bench: &Measurement<'_>, way: Keeping) -> anyhow::Result<Figures> {
    let load = Workload { subscribers: SUBSCRIBERS, few: FEW, ..Workload::of(60, 20.0) };
    let folder = bench.empty_folder()?;
    let gateway = Gateway::start(way, folder.path(), &[])?;
    let target = tricast("sse", "auto", "bench");
    let usage = || gateway.running.process.usage();
    let mut round = Round::new(&load, gateway.address(), bench.bar)?;
    round.fill(&target.subscribe, &usage)?;
    round.messages(&target.publish, &usage)?;
    anyhow::ensure!(round.figures.undelivered == 0, "messages were lost");
    Ok(round.figures)
}
