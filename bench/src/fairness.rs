//! The effect on a small channel of its neighbours: a slow reader, a huge channel, a flood of
//! messages, many new connections. Each in turn with the small channel alone, in one run.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use indicatif::ProgressBar;

use crate::{
    figures::median,
    marker::{self, Clock},
    measure::{CONCURRENT_CONNECTS, Round, Workload},
    subscribers::Subscribers,
    target::{Target, tricast},
};

const ROUNDS: usize = 5;

/// Readers of the small channel.
const SMALL_CHANNEL_READERS: usize = 100;

/// What goes on beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BackgroundLoad {
    Nothing,
    SlowReaders,
    HugeChannel,
    Flood,
    ConnectStorm,
}

impl BackgroundLoad {
    const ALL: [Self; 5] =
        [Self::Nothing, Self::SlowReaders, Self::HugeChannel, Self::Flood, Self::ConnectStorm];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::SlowReaders => "10 readers that take nothing, 64 KiB messages, 20 a second",
            Self::HugeChannel => "5,000 readers of another channel, 20 messages a second",
            Self::Flood => "a flood of JSON lines to another channel with 10 readers",
            Self::ConnectStorm => "10,000 clients that connect at once to another channel",
        }
    }

    /// Goes on at `address` until `over`; says when it begins.
    fn run_until(
        self,
        address: SocketAddr,
        begin: &Sender<()>,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        // Clients of one machine take each other's turns; these give way to those that measure.
        rustix::process::nice(19)?;
        let other_channel = tricast("sse", "auto", "beside");
        let mut readers = Subscribers::new(address, Clock::new())?;
        let connect = |readers: &mut Subscribers, count, at_once| {
            readers.connect(&other_channel.subscribe, count, at_once, |_| {}).map(|_| ())
        };
        match self {
            Self::SlowReaders => connect(&mut readers, 10, CONCURRENT_CONNECTS)?,
            Self::HugeChannel => connect(&mut readers, 5000, CONCURRENT_CONNECTS)?,
            Self::Flood => connect(&mut readers, 10, CONCURRENT_CONNECTS)?,
            Self::Nothing | Self::ConnectStorm => {}
        }
        begin.send(())?;
        match self {
            Self::Nothing => {}
            Self::ConnectStorm => connect(&mut readers, 10_000, usize::MAX)?,
            Self::SlowReaders => at_rate(&other_channel, address, 64 << 10, stop)?,
            Self::HugeChannel => thread::scope(|scope| {
                let publishing =
                    scope.spawn(|| at_rate(&other_channel, address, marker::DEFAULT_SIZE, stop));
                while !publishing.is_finished() {
                    readers.read_for(Duration::from_millis(20))?;
                }
                publishing.join().map_err(|_| anyhow::anyhow!("a publisher panicked"))?
            })?,
            Self::Flood => thread::scope(|scope| {
                let publishing = scope.spawn(|| flood(address, stop));
                while !publishing.is_finished() {
                    readers.read_for(Duration::from_millis(20))?;
                }
                publishing.join().map_err(|_| anyhow::anyhow!("a publisher panicked"))?
            })?,
        }
        Ok(())
    }
}

fn at_rate(
    target: &Target,
    address: SocketAddr,
    size: usize,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        target.publish.send(address, &"x".repeat(size))?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A publisher with a connection that stays.
pub(crate) struct NdjsonPublisher(TcpStream);

impl NdjsonPublisher {
    pub(crate) fn open(address: SocketAddr, channel: &str) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        write!(
            socket,
            "POST /publish/{channel} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )?;
        Ok(Self(socket))
    }

    /// Sends whole lines.
    pub(crate) fn send(&mut self, lines: &str) -> anyhow::Result<()> {
        let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
        Ok(self.0.write_all(chunk.as_bytes())?)
    }
}

/// As fast as it is taken.
fn flood(address: SocketAddr, stop: &AtomicBool) -> anyhow::Result<()> {
    let mut publisher = NdjsonPublisher::open(address, "beside")?;
    let lines = format!("\"{}\"\n", "x".repeat(126)).repeat(100);
    while !stop.load(Ordering::Relaxed) {
        publisher.send(&lines)?;
    }
    Ok(())
}

/// Latencies of one round, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Latency {
    p50: f64,
    p99: f64,
    max: f64,
}

/// All of it, as Markdown.
pub(crate) fn run(bar: &ProgressBar) -> anyhow::Result<String> {
    let mut all: Vec<Vec<Latency>> = vec![Vec::new(); BackgroundLoad::ALL.len()];
    for round in 1..=ROUNDS {
        for (background, latencies) in BackgroundLoad::ALL.into_iter().zip(&mut all) {
            bar.set_prefix(format!("{round}/{ROUNDS} {}", background.name()));
            latencies.push(measure(background, bar)?);
        }
    }
    let mut table = format!(
        "| beside a channel with {SMALL_CHANNEL_READERS} readers, 20 messages a second | \
         latency p50 / p99 / max, ms |\n|---|---|\n"
    );
    for (background, latencies) in BackgroundLoad::ALL.into_iter().zip(all) {
        let of = |figure: fn(&Latency) -> f64| median(latencies.iter().map(figure).collect());
        table += &format!(
            "| {} | {:.2} / {:.2} / {:.2} |\n",
            background.name(),
            of(|l| l.p50),
            of(|l| l.p99),
            of(|l| l.max)
        );
    }
    Ok(table)
}

fn measure(background: BackgroundLoad, bar: &ProgressBar) -> anyhow::Result<Latency> {
    let load = Workload::of(60, 20.0);
    let small = tricast("sse", "auto", "small");
    let running = small.start()?;
    let address = running.address;
    let mut round = Round::new(&load, address, bar)?;
    round.connect(&small.subscribe, SMALL_CHANNEL_READERS, CONCURRENT_CONNECTS)?;
    let mut publisher = NdjsonPublisher::open(address, "small")?;
    let ((begin, begun), stop) = (channel(), AtomicBool::new(false));
    thread::scope(|scope| {
        let other = scope.spawn({
            let stop = &stop;
            move || background.run_until(address, &begin, stop)
        });
        // Without a beginning there is an error to join.
        let _ = begun.recv();
        let publish = |data: &str| publisher.send(&format!("\"{data}\"\n"));
        let measured = round.messages_by(publish, &|| running.process.usage());
        stop.store(true, Ordering::Relaxed);
        other.join().map_err(|_| anyhow::anyhow!("what went on beside panicked"))??;
        measured
    })?;
    let figures = round.figures;
    anyhow::ensure!(figures.undelivered == 0, "messages of the small channel were lost");
    Ok(Latency { p50: figures.p50_ms, p99: figures.p99_ms, max: figures.max_ms })
}
