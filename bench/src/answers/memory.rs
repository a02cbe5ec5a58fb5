//! The memory of answers, under way and ended, and what a reload in mid-answer transfers.

use std::{thread, time::Duration};

use indicatif::ProgressBar;

use super::{
    Outcome, gateway,
    readers::{PROMPT, open, post, read_until},
    upstream::{DIGITS, Upstream},
};
use crate::{
    figures::median,
    goal::{Bound, Goal},
};

const ANSWERS: usize = 50;
const DELTAS: usize = 4000;
const PACE: Duration = Duration::from_millis(2);
/// What a delta says beside its time, in bytes.
const FILLER: usize = 3;
/// The parts of an ended answer leave within a minute, and five seconds.
const SWEPT: Duration = Duration::from_secs(70);

/// In bytes.
#[derive(Clone, Copy, Debug)]
struct Round {
    open: f64,
    ended: f64,
    reload: f64,
}

/// The bytes of an answer's text.
fn text() -> f64 {
    (DELTAS * ("t ".len() + DIGITS + FILLER)) as f64
}

pub(super) fn run(rounds: usize, bar: &ProgressBar) -> anyhow::Result<Outcome> {
    let mut all = Vec::new();
    for round in 0..rounds {
        bar.set_prefix(format!("{}/{rounds} memory of {ANSWERS} answers", round + 1));
        all.push(measure()?);
    }
    let of = |figure: fn(&Round) -> f64| median(all.iter().map(figure).collect());
    let (open, ended, reload) =
        (of(|one| one.open) / 1024.0, of(|one| one.ended) / text(), of(|one| one.reload));
    let text_of_tables = format!(
        "{ANSWERS} answers of {DELTAS} deltas and {:.0} KiB of text each.\n\n\
         | | |\n|---|---|\n\
         | memory of an open answer, KiB | {open:.0} |\n\
         | memory of an ended one, to its text | {ended:.2} |\n\
         | a reload with `since=compact`, KiB | {:.1} |\n",
        text() / 1024.0,
        reload / 1024.0,
    );
    let goal =
        |figure, most, unit, reached| Goal { figure, bound: Bound::AtMost(most), unit, reached };
    let goals = vec![
        goal("memory of an open answer of 4,000 deltas", 200.0, " KiB", open),
        goal("memory of an ended answer, to its text", 3.0, "", ended),
        goal(
            "a reload in mid-answer, to its text, 1 KiB left out",
            1.2,
            "",
            (reload - 1024.0) / text(),
        ),
    ];
    Ok(Outcome { text: text_of_tables, goals })
}

fn measure() -> anyhow::Result<Round> {
    let upstream = Upstream::start()?;
    let gateway = gateway(upstream.address)?;
    let address = gateway.address;
    let rss = || gateway.process.usage().rss() * 1024.0;
    // Once, so that what is there for every answer is there.
    ask(address, &upstream, "warm", 1)?;
    upstream.send(100, PACE, FILLER)?;
    upstream.finish()?;
    thread::sleep(Duration::from_secs(1));
    let before = rss();
    for n in 0..ANSWERS {
        post(address, &format!("/llm/a{n}"), PROMPT)?;
    }
    upstream.wait_for(ANSWERS)?;
    upstream.send(DELTAS, PACE * ANSWERS as u32 / 10, FILLER)?;
    thread::sleep(Duration::from_secs(1));
    let open_bytes = rss() - before;
    let mut reader = open(address, "/sse/a0?since=compact", "")?;
    let reload = read_until(&mut reader, &["event: tricast.llm.snapshot", "\nid: "])?;
    drop(reader);
    upstream.finish()?;
    thread::sleep(SWEPT);
    let ended = rss() - before;
    let one = |bytes: f64| bytes / ANSWERS as f64;
    Ok(Round { open: one(open_bytes), ended: one(ended), reload: reload as f64 })
}

fn ask(
    address: std::net::SocketAddr,
    upstream: &Upstream,
    channel: &str,
    calls: usize,
) -> anyhow::Result<()> {
    post(address, &format!("/llm/{channel}"), PROMPT)?;
    upstream.wait_for(calls)
}
