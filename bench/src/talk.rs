//! The cost of publishing on WebSockets: WebSockets that each publish on a channel of their own and
//! wait for their acknowledgements, beside an echo in Node.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    time::Duration,
};

use anyhow::Context as _;
use indicatif::ProgressBar;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{
    figures::median,
    marker::{self, Clock, Scanner},
    subscribers::{SubscribeRequest, masked},
    target::{Target, tricast},
};

const ROUNDS: usize = 5;
const SOCKETS: usize = 100;
/// All sockets together, in a second.
pub(crate) const RATE: u64 = 10_000;
const SECONDS: u64 = 4;

/// One server: its name, and the path of one socket.
struct EchoServer {
    target: Target,
    path: fn(usize) -> String,
}

/// What came of one round.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    micros: f64,
    p50: f64,
    p99: f64,
}

/// The table, as Markdown.
pub(crate) fn run(bar: &ProgressBar) -> anyhow::Result<String> {
    let own = |n: usize| format!("/ws/talk{n}");
    let mut servers = Vec::new();
    for delivery in ["io_uring", "epoll", "generic"] {
        servers.push(EchoServer { target: tricast("ws", delivery, "bench"), path: own });
    }
    let node = crate::peers::all().into_iter().find(|t| t.server == "nodews" && t.wire == "ws");
    let mut node = node.context("nodews is among the peers")?;
    node.server = "node ws, an echo".into();
    servers.push(EchoServer { target: node, path: |_| "/echo".into() });

    let mut rounds: Vec<Vec<Outcome>> = vec![Vec::new(); servers.len()];
    for round in 1..=ROUNDS {
        for (server, rounds) in servers.iter().zip(&mut rounds) {
            bar.set_prefix(format!("{round}/{ROUNDS} {}", server.target.server));
            rounds.push(measure(server, bar).with_context(|| server.target.server.clone())?);
        }
    }
    let mut text = format!(
        "| {SOCKETS} WebSockets, {RATE} messages a second in all, each acknowledged in order | \
         server's CPU for each, µs | until acknowledged p50 / p99, ms |\n|---|---|---|\n"
    );
    for (server, rounds) in servers.iter().zip(rounds) {
        let of = |figure: fn(&Outcome) -> f64| median(rounds.iter().map(figure).collect());
        text.push_str(&format!(
            "| {} | {:.1} | {:.2} / {:.2} |\n",
            server.target.server,
            of(|o| o.micros),
            of(|o| o.p50),
            of(|o| o.p99)
        ));
    }
    Ok(text)
}

fn measure(server: &EchoServer, bar: &ProgressBar) -> anyhow::Result<Outcome> {
    let running = server.target.start()?;
    let clock = Clock::new();
    let mut publishers = WsPublishers::open(running.address, server.path)?;
    publishers.publish(RATE / 2, clock, bar)?;
    publishers.latency.reset();
    let usage = running.process.usage();
    let (before, count) = (usage.cpu(), RATE * SECONDS);
    publishers.publish(count, clock, bar)?;
    let micros = (usage.cpu() - before).as_secs_f64() * 1e6 / count as f64;
    let at = |quantile| publishers.latency.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Outcome { micros, p50: at(0.5), p99: at(0.99) })
}

/// Publishers that send evenly in time, whether they are answered or not.
pub(crate) struct WsPublishers {
    poll: Poll,
    publishers: Vec<WsPublisher>,
    /// Messages said, by all.
    sent: u64,
    /// Until a message was acknowledged, in µs.
    pub(crate) latency: hdrhistogram::Histogram<u64>,
}

struct WsPublisher {
    socket: TcpStream,
    scanner: Scanner,
    sent: u64,
    acknowledged: u64,
}

impl WsPublishers {
    pub(crate) fn open(address: SocketAddr, path: fn(usize) -> String) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut publishers = Vec::new();
        for n in 0..SOCKETS {
            let mut socket = std::net::TcpStream::connect(address)?;
            let handshake = SubscribeRequest::new(&path(n), "", true, &[]);
            socket.write_all(handshake.head.as_bytes())?;
            let mut head = [0; 12];
            socket.read_exact(&mut head)?;
            anyhow::ensure!(
                head.starts_with(b"HTTP/1.1 101"),
                "{:?}",
                head.escape_ascii().to_string()
            );
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poll.registry().register(&mut socket, Token(n), Interest::READABLE)?;
            publishers.push(WsPublisher {
                socket,
                scanner: Scanner::default(),
                sent: 0,
                acknowledged: 0,
            });
        }
        let latency = hdrhistogram::Histogram::new_with_bounds(1, 60_000_000, 3)?;
        Ok(Self { poll, publishers, sent: 0, latency })
    }

    /// Says so many more, evenly in time, and waits until all are acknowledged in their order.
    pub(crate) fn publish(
        &mut self,
        count: u64,
        clock: Clock,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        bar.set_length(count);
        let begin = clock.now();
        let from = self.sent;
        let mut events = Events::with_capacity(SOCKETS);
        let filler = "x".repeat(marker::DEFAULT_SIZE);
        loop {
            let elapsed = clock.now() - begin;
            let due = (elapsed.as_secs_f64() * RATE as f64) as u64;
            while self.sent - from < due.min(count) {
                let publisher = &mut self.publishers[self.sent as usize % SOCKETS];
                publisher.sent += 1;
                self.sent += 1;
                let mark = marker::data(publisher.sent, clock.now(), marker::LENGTH);
                let text =
                    format!("{{\"data\":\"{filler}\",\"skip_self\":true,\"ref\":\"{mark}\"}}");
                let frame = masked(&text);
                anyhow::ensure!(publisher.socket.write(&frame)? == frame.len(), "a socket is full");
            }
            bar.set_position(self.sent - from);
            self.poll.poll(&mut events, Some(Duration::from_millis(1)))?;
            for event in &events {
                let publisher = &mut self.publishers[event.token().0];
                publisher.read_acks(clock, &mut self.latency)?;
            }
            let open =
                self.publishers.iter().any(|publisher| publisher.acknowledged < publisher.sent);
            if self.sent - from == count && !open {
                return Ok(());
            }
            let timeout = Duration::from_secs(30) + Duration::from_secs(count / RATE);
            anyhow::ensure!(elapsed < timeout, "some messages were never acknowledged");
        }
    }
}

impl WsPublisher {
    fn read_acks(
        &mut self,
        clock: Clock,
        latency: &mut hdrhistogram::Histogram<u64>,
    ) -> anyhow::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let count = match self.socket.read(&mut buffer) {
                Ok(0) => anyhow::bail!("a connection was ended"),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut in_order = true;
            let acknowledged = &mut self.acknowledged;
            self.scanner.scan(&buffer[..count], |marker| {
                in_order &= marker.number == *acknowledged + 1;
                *acknowledged = marker.number;
                let took = clock.now().saturating_sub(marker.published);
                latency.saturating_record(took.as_micros() as u64);
            });
            anyhow::ensure!(in_order, "acknowledgements out of order");
        }
    }
}
