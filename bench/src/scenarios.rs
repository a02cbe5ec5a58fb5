//! The cost of a message when there is more of something: subscribers, idle channels, history; and
//! when there is nobody to hear it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use anyhow::Context as _;
use indicatif::ProgressBar;

use crate::{
    figures::median,
    marker,
    measure::{CONCURRENT_CONNECTS, Round, Workload},
    process::Usage,
    subscribers::SubscribeRequest,
    target::{Running, tricast},
};

/// Rounds of each; the tables show medians.
const ROUNDS: usize = 5;

/// Subscribers where their number is not the question.
const SUBSCRIBERS: usize = 2000;

/// Messages that nobody hears.
const UNSUBSCRIBED_MESSAGES: u64 = 1_000_000;

/// Room for every history and channel of these scenarios.
const LARGE_LIMITS: [(&str, &str); 3] = [
    ("TRICAST__HISTORY__MEMORY", "4GiB"),
    ("TRICAST__HISTORY__BYTES", "1GiB"),
    ("TRICAST__LIMITS__CHANNELS", "200000"),
];

/// All of them, as Markdown.
pub(crate) fn run(bar: &ProgressBar) -> anyhow::Result<String> {
    Ok([
        without_subscribers(bar)?,
        subscribers(bar)?,
        idle_channels(bar)?,
        history(bar)?,
        many_connections(bar)?,
    ]
    .join("\n"))
}

/// Publishing where nobody listens, in one stream of JSON lines, to a gateway that has one core.
fn without_subscribers(bar: &ProgressBar) -> anyhow::Result<String> {
    bar.set_prefix("nobody listens");
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let running = tricast("sse", "auto", "bench").start()?;
        running.process.pin_to_one_core()?;
        let line = format!("\"{}\"\n", "x".repeat(126));
        let begin = Instant::now();
        let published = publish_lines(running.address, &line, UNSUBSCRIBED_MESSAGES, bar)?;
        anyhow::ensure!(
            published == UNSUBSCRIBED_MESSAGES,
            "{published} of {UNSUBSCRIBED_MESSAGES} were published"
        );
        rates.push(UNSUBSCRIBED_MESSAGES as f64 / begin.elapsed().as_secs_f64());
    }
    Ok(format!(
        "Publishing lines of 128 bytes to nobody, one stream, one core: {:.0} messages a second.\n",
        median(rates)
    ))
}

/// Sends one line again and again as one request; gives how many the answer says were published.
fn publish_lines(
    address: SocketAddr,
    line: &str,
    count: u64,
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    bar.set_length(count);
    let mut socket = TcpStream::connect(address)?;
    let length = line.len() as u64 * count;
    write!(
        socket,
        "POST /publish/bench HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n"
    )?;
    const BLOCK: u64 = 1000;
    let block = line.repeat(BLOCK as usize);
    for sent in 0..count / BLOCK {
        bar.set_position(sent * BLOCK);
        socket.write_all(block.as_bytes())?;
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let at = answer.rfind("\"published\":").with_context(|| format!("an answer: {answer}"))?;
    let digits = answer[at + 12..].split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap_or_default().parse().with_context(|| format!("an answer: {answer}"))
}

/// The same messages to more subscribers.
fn subscribers(bar: &ProgressBar) -> anyhow::Result<String> {
    let mut cases = Vec::new();
    for count in [1000, 2000, 5000, 10_000] {
        cases.push(Case { name: count.to_string(), subscribers: count, ..Case::default() });
    }
    table("subscribers", cases, bar)
}

/// The same with channels beside it that somebody has published to once.
fn idle_channels(bar: &ProgressBar) -> anyhow::Result<String> {
    let mut cases = Vec::new();
    for channels in [1, 1000, 100_000] {
        cases.push(Case { name: channels.to_string(), channels, ..Case::default() });
    }
    table("idle channels", cases, bar)
}

/// The same with a longer history, which is full.
fn history(bar: &ProgressBar) -> anyhow::Result<String> {
    let mut cases = Vec::new();
    for history in [10, 1000, 100_000] {
        cases.push(Case { name: history.to_string(), history, ..Case::default() });
    }
    table("messages of history, full", cases, bar)
}

/// As many connections as the system allows a process, on all wires.
fn many_connections(bar: &ProgressBar) -> anyhow::Result<String> {
    bar.set_prefix("15,000 connections");
    let load = Workload::of(20, 10.0);
    let running = tricast("sse", "auto", "bench").start()?;
    let mut round = Round::new(&load, running.address, bar)?;
    for wire in ["sse", "chunked", "ws"] {
        round.connect(&tricast(wire, "auto", "bench").subscribe, 5000, CONCURRENT_CONNECTS)?;
    }
    round.messages(&tricast("sse", "auto", "bench").publish, &|| running.process.usage())?;
    let figures = round.figures;
    Ok(format!(
        "15,000 connections, 5,000 on each wire, {} messages: {} deliveries, {} undelivered, \
         {} twice, {} out of order; latency p50 / p99 / max {:.0} / {:.0} / {:.0} ms.\n",
        load.messages,
        figures.delivered,
        figures.undelivered,
        figures.duplicates,
        figures.out_of_order,
        figures.p50_ms,
        figures.p99_ms,
        figures.max_ms
    ))
}

/// One row of a table.
struct Case {
    name: String,
    subscribers: usize,
    channels: usize,
    history: u64,
    /// µs of CPU for each delivery, by round.
    costs: Vec<f64>,
}

impl Default for Case {
    fn default() -> Self {
        let name = String::new();
        Self { name, subscribers: SUBSCRIBERS, channels: 0, history: 1000, costs: Vec::new() }
    }
}

/// Runs the cases in turn, round by round, and compares each with the first.
fn table(dimension: &str, mut cases: Vec<Case>, bar: &ProgressBar) -> anyhow::Result<String> {
    for round in 1..=ROUNDS {
        for case in &mut cases {
            bar.set_prefix(format!("{round}/{ROUNDS} {dimension} {}", case.name));
            let cost = case.run(bar)?;
            case.costs.push(cost);
        }
    }
    let mut table =
        format!("| {dimension} | CPU for each delivery, µs | to the first row |\n|---|---|---|\n");
    for case in &cases {
        let ratios = case.costs.iter().zip(&cases[0].costs).map(|(this, first)| this / first);
        table += &format!(
            "| {} | {:.2} | {:.2} |\n",
            case.name,
            median(case.costs.clone()),
            median(ratios.collect())
        );
    }
    Ok(table)
}

impl Case {
    fn run(&self, bar: &ProgressBar) -> anyhow::Result<f64> {
        let load = Workload::of(40, 20.0);
        let target = tricast("sse", "auto", "bench");
        let history = self.history.to_string();
        let mut settings = LARGE_LIMITS.to_vec();
        settings.push(("TRICAST__HISTORY__MESSAGES", &history));
        let running = target.start_with(&settings)?;
        let line = format!("\"{}\"\n", "x".repeat(126));
        publish_lines(running.address, &line, self.history.next_multiple_of(1000), bar)?;
        self.make_channels(&running)?;
        let mut round = Round::new(&load, running.address, bar)?;
        round.connect(
            &SubscribeRequest::new("/sse/bench", "", false, &[]),
            self.subscribers,
            CONCURRENT_CONNECTS,
        )?;
        let usage = || -> Usage { running.process.usage() };
        round.messages(&target.publish, &usage)?;
        anyhow::ensure!(round.figures.undelivered == 0, "messages were lost");
        Ok(round.figures.cpu_us)
    }

    /// Publishes to each idle channel once, many requests on one connection.
    fn make_channels(&self, running: &Running) -> anyhow::Result<()> {
        let mut socket = TcpStream::connect(running.address)?;
        let mut reading = socket.try_clone()?;
        let all = (0..self.channels).map(|n| {
            let close = if n + 1 == self.channels { "Connection: close\r\n" } else { "" };
            format!(
                "POST /publish/idle-{n} HTTP/1.1\r\nHost: localhost\r\n{close}\
                 Content-Length: 1\r\n\r\nx"
            )
        });
        let requests: Vec<String> = all.collect();
        let answers = std::thread::spawn(move || {
            let mut answers = Vec::new();
            reading.read_to_end(&mut answers).map(|_| answers)
        });
        for batch in requests.chunks(500) {
            socket.write_all(batch.concat().as_bytes())?;
        }
        if self.channels == 0 {
            socket.shutdown(std::net::Shutdown::Both)?;
        }
        let answers = answers.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
        let published = memchr::memmem::find_iter(&answers, b"HTTP/1.1 200").count();
        anyhow::ensure!(published == self.channels, "{published} channels of {}", self.channels);
        Ok(())
    }
}

impl Workload {
    /// Messages of the usual size, no burst, no storm.
    pub(crate) fn of(messages: u64, rate: f64) -> Self {
        let (subscribers, few) = (0, 0);
        Self {
            subscribers,
            few,
            messages,
            rate,
            size: marker::DEFAULT_SIZE,
            burst: 0,
            storm: false,
        }
    }
}
