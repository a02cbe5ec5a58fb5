//! The cost of a subscriber: memory while idle, CPU for each delivered message, latency. Measures
//! Tricast beside a bare loop of sends and beside its peers, in turn and in one run, on loopback.
//! `make bench` runs it.

mod answers;
mod compression;
mod fairness;
mod figures;
mod floor;
mod goal;
mod log;
mod marker;
mod measure;
mod peers;
mod process;
mod scenarios;
mod scrape;
mod subscribers;
mod talk;
mod target;

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use figures::{Figures, Row, table};
use indicatif::{ProgressBar, ProgressStyle};
use measure::Workload;
use subscribers::SubscribeRequest;
use target::PublishRequest;
use tricast_delivery::SendMode;

#[derive(Parser)]
#[command(about = "Measures realtime servers from outside, over real connections on this machine")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts servers in turn and compares them; prints a Markdown table.
    Compare {
        #[command(flatten)]
        load: Workload,
        /// Rounds; the table shows medians.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Only servers or wires that contain one of these words, beside the floor.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Writes every round to this file, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// What a message costs with more subscribers, idle channels, history, or nobody to hear it.
    Scenarios,
    /// Whether a small channel feels what goes on beside it.
    Fairness,
    /// What it costs to be spoken to.
    Talk,
    /// What compression costs and saves.
    Compression,
    /// What it takes to ask for the metrics.
    Scrape,
    /// What the log on disk costs, beside its goals.
    Log {
        #[command(flatten)]
        options: log::Options,
    },
    /// What an answer of a model costs on its way, beside its goals.
    Answers {
        #[command(flatten)]
        options: answers::Options,
    },
    /// Serves as the floor of an answer: sends on what it reads from an upstream.
    Relay {
        /// Where.
        #[arg(long)]
        bind: SocketAddr,
        /// The upstream.
        #[arg(long)]
        upstream: SocketAddr,
    },
    /// Measures a server that runs already.
    Run {
        #[command(flatten)]
        load: Workload,
        /// Its address.
        #[arg(long, default_value = "127.0.0.1:8080")]
        address: SocketAddr,
        /// The path that subscribes.
        #[arg(long, default_value = "/sse/bench")]
        path: String,
        /// Opens a WebSocket there.
        #[arg(long)]
        ws: bool,
        /// Text frames to send on the open WebSocket.
        #[arg(long)]
        frame: Vec<String>,
        /// Further fields of the subscribers' requests, as in "Accept: text/event-stream".
        #[arg(long)]
        header: Vec<String>,
        /// The path that publishes.
        #[arg(long, default_value = "/publish/bench")]
        publish: String,
        /// Further fields of the publisher's request.
        #[arg(long)]
        publish_header: Vec<String>,
        /// What the publisher sends; {data} stands for the data.
        #[arg(long, default_value = "{data}")]
        body: String,
        /// The server's process, for its memory and CPU.
        #[arg(long)]
        pid: Option<u32>,
        /// Writes the figures to this file, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Serves as the floor: a bare loop of sends.
    Floor {
        /// Where.
        #[arg(long)]
        bind: SocketAddr,
        /// How it sends.
        #[arg(long, value_enum, default_value = "epoll")]
        calls: FloorSendMode,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum FloorSendMode {
    /// A system call for each send.
    Epoll,
    /// One for hundreds.
    #[value(name = "io_uring")]
    IoUring,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Compare { load, rounds, only, json } => compare(&load, rounds, &only, json),
        Command::Scenarios => show(scenarios::run),
        Command::Fairness => show(fairness::run),
        Command::Talk => show(talk::run),
        Command::Compression => show(compression::run),
        Command::Scrape => show(scrape::run),
        Command::Log { options } => show(|bar| log::run(&options, bar)),
        Command::Answers { options } => show(|bar| answers::run(&options, bar)),
        Command::Relay { bind, upstream } => answers::relay::serve(bind, upstream),
        Command::Run {
            load,
            address,
            path,
            ws,
            frame,
            header,
            publish,
            publish_header,
            body,
            pid,
            json,
        } => {
            let lines = |fields: &[String]| {
                fields.iter().map(|one| format!("{one}\r\n")).collect::<String>()
            };
            let frames: Vec<&str> = frame.iter().map(String::as_str).collect();
            let subscribe = SubscribeRequest::new(&path, &lines(&header), ws, &frames);
            let publish = PublishRequest::new(&publish, &lines(&publish_header), &body);
            let bar = progress();
            let figures = load.run(address, &subscribe, &publish, pid, &bar)?;
            bar.finish_and_clear();
            let rows = [Row {
                server: address.to_string(),
                wire: path,
                rounds: vec![figures],
                failed: None,
            }];
            save(json, &rows)?;
            println!("{}", table(&rows, &rows[0].rounds));
            Ok(())
        }
        Command::Floor { bind, calls: mode } => floor::serve(
            bind,
            match mode {
                FloorSendMode::Epoll => SendMode::Epoll,
                FloorSendMode::IoUring => SendMode::IoUring,
            },
        ),
    }
}

fn compare(
    load: &Workload,
    rounds: usize,
    only: &[String],
    json: Option<PathBuf>,
) -> anyhow::Result<()> {
    let mut targets = target::all();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|word| name.contains(word));
    targets.retain(|t| t.server == "floor" || wanted(&format!("{} {}", t.server, t.wire)));
    let mut rows: Vec<Row> = targets
        .iter()
        .map(|t| Row {
            server: t.server.clone(),
            wire: t.wire.clone(),
            rounds: Vec::new(),
            failed: None,
        })
        .collect();
    let bar = progress();
    for round in 1..=rounds {
        for (target, row) in targets.iter().zip(&mut rows).filter(|(_, row)| row.failed.is_none()) {
            bar.set_prefix(format!("{round}/{rounds} {} {}", target.server, target.wire));
            match load.round(target, &bar) {
                Ok(figures) => row.rounds.push(figures),
                Err(error) => {
                    bar.println(format!("{} {}: {error:#}", target.server, target.wire));
                    row.failed = Some(format!("{error:#}"));
                }
            }
        }
    }
    bar.finish_and_clear();
    save(json, &rows)?;
    let floor: Vec<Figures> = rows[0].rounds.clone();
    println!("{}", table(&rows, &floor));
    Ok(())
}

fn show(run: impl FnOnce(&ProgressBar) -> anyhow::Result<String>) -> anyhow::Result<()> {
    let bar = progress();
    let text = run(&bar)?;
    bar.finish_and_clear();
    println!("{text}");
    Ok(())
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:30} {msg:11} {wide_bar} {pos}/{len}");
    ProgressBar::new(0).with_style(style.expect("a good template"))
}

fn save(path: Option<PathBuf>, rows: &[Row]) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_string_pretty(rows)?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
