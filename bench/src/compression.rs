//! The cost and the savings of permessage-deflate: off, once for all readers, once for each
//! connection.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::ProgressBar;

use crate::{
    figures::median,
    marker::Clock,
    measure::CONCURRENT_CONNECTS,
    subscribers::{SubscribeRequest, Subscribers},
    target::{PublishRequest, Target, tricast},
};

const ROUNDS: usize = 3;
const READERS: usize = 5000;
const MESSAGES: usize = 20;

/// From one message to the next.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// A handshake's offer, as browsers make it.
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

struct Case {
    name: &'static str,
    target: Target,
    settings: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug)]
struct Outcome {
    bytes: f64,
    micros: f64,
    kib: f64,
}

/// The table, as Markdown.
pub(crate) fn run(bar: &ProgressBar) -> anyhow::Result<String> {
    let cases = cases()?;
    let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); cases.len()];
    for round in 1..=ROUNDS {
        for (case, outcomes) in cases.iter().zip(&mut outcomes) {
            bar.set_prefix(format!("{round}/{ROUNDS} {}", case.name));
            outcomes.push(case.measure(bar).context(case.name)?);
        }
    }
    let mut text = format!(
        "| {READERS} WebSockets, JSON of 1 KiB | bytes for each delivery | \
         server's CPU for each, µs | its memory for each connection then, KiB |\n\
         |---|---|---|---|\n"
    );
    for (case, outcomes) in cases.iter().zip(outcomes) {
        let of = |figure: fn(&Outcome) -> f64| median(outcomes.iter().map(figure).collect());
        let (bytes, micros, kib) = (of(|o| o.bytes), of(|o| o.micros), of(|o| o.kib));
        text.push_str(&format!("| {} | {bytes:.0} | {micros:.2} | {kib:.1} |\n", case.name));
    }
    Ok(text)
}

fn cases() -> anyhow::Result<Vec<Case>> {
    let with_offer = |path: &str| SubscribeRequest::new(path, OFFER, true, &[]);
    let mut gateway = tricast("ws", "auto", "bench");
    gateway.subscribe = with_offer("/ws/bench");
    gateway.publish =
        PublishRequest::new("/publish/bench", "Content-Type: application/json\r\n", "{data}");
    let node = |path: &str| {
        let all = crate::peers::all();
        let mut node = all.into_iter().find(|t| t.server == "nodews" && t.wire == "ws")?;
        node.subscribe = with_offer(path);
        Some(node)
    };
    let node = |path: &str| node(path).context("nodews is among the peers");
    let compressing = &[("TRICAST__WS__COMPRESSION", "true")];
    Ok(vec![
        Case { name: "tricast, not compressed", target: gateway.clone(), settings: &[] },
        Case { name: "tricast, once for all", target: gateway, settings: compressing },
        Case { name: "node ws, not compressed", target: node("/ws")?, settings: &[] },
        Case { name: "node ws, for each connection", target: node("/deflated")?, settings: &[] },
    ])
}

impl Case {
    fn measure(&self, bar: &ProgressBar) -> anyhow::Result<Outcome> {
        let running = self.target.start_with(self.settings)?;
        let mut readers = Subscribers::new(running.address, Clock::new())?;
        let rss = running.process.usage().rss();
        bar.set_length(MESSAGES as u64);
        readers.connect(&self.target.subscribe, READERS, CONCURRENT_CONNECTS, |_| ())?;
        readers.read_until_quiet()?;
        let usage = running.process.usage();
        let before = usage.cpu();
        for number in 0..MESSAGES {
            bar.set_position(number as u64);
            self.target.publish.send(running.address, &sample_prices(number))?;
            let begin = Instant::now();
            while begin.elapsed() < PUBLISH_INTERVAL {
                readers.read_for(PUBLISH_INTERVAL.saturating_sub(begin.elapsed()))?;
            }
        }
        while readers.read_for(Duration::from_secs(1))? {}
        let deliveries = (READERS * MESSAGES) as f64;
        anyhow::ensure!(readers.tally.lost == 0, "{} readers were lost", readers.tally.lost);
        Ok(Outcome {
            bytes: readers.tally.bytes as f64 / deliveries,
            micros: (usage.cpu() - before).as_secs_f64() * 1e6 / deliveries,
            kib: (usage.rss() - rss) / READERS as f64,
        })
    }
}

/// A kilobyte of JSON as services send it: names again and again, numbers that differ.
fn sample_prices(number: usize) -> String {
    let one = |n: usize| {
        let (symbol, cents) =
            (["EURUSD", "GBPUSD", "USDJPY"][n % 3], (n * 7919 + number * 104_729) % 100_000);
        format!(
            "{{\"symbol\":\"{symbol}\",\"bid\":{}.{:02},\"size\":{}}}",
            cents / 100,
            cents % 100,
            cents * 31 % 5000
        )
    };
    let all: Vec<String> = (0..21).map(one).collect();
    format!("[{}]", all.join(","))
}
