//! The CPU of many answers at once, beside a bare relay.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::Read as _,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use mio::{Events, Interest, Poll, Token};

use super::{
    Outcome, gateway,
    readers::{PROMPT, Times, begin_post, open, post, read_until},
    upstream::Upstream,
};
use crate::{
    figures::median,
    goal::{Bound, Goal},
    process::Process,
};

const ANSWERS: usize = 200;
const PACE: Duration = Duration::from_nanos(1_000_000_000 / 30);
const DELTAS: usize = 300;

pub(super) fn run(rounds: usize, bar: &ProgressBar) -> anyhow::Result<Outcome> {
    let (mut relays, mut gateways) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        bar.set_prefix(format!("{}/{rounds} {ANSWERS} answers at once", round + 1));
        relays.push(measure_relay()?);
        gateways.push(measure_gateway()?);
    }
    let ratio = median(gateways.iter().zip(&relays).map(|(one, bare)| one / bare).collect());
    let mut text = format!(
        "{ANSWERS} answers at once, 30 deltas/s each, one reader each.\n\n\
         | | CPU for each delta, µs |\n|---|---|\n"
    );
    for (name, all) in [("bare relay", relays), ("tricast, sse", gateways)] {
        let _ = writeln!(text, "| {name} | {:.1} |", median(all));
    }
    let goals = vec![Goal {
        figure: "CPU of a delta, 200 answers at once, to a bare relay",
        bound: Bound::AtMost(3.5),
        unit: "",
        reached: ratio,
    }];
    Ok(Outcome { text, goals })
}

/// Returns the CPU of the relay for each delta, in microseconds.
fn measure_relay() -> anyhow::Result<f64> {
    let upstream = Upstream::start()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["relay", "--bind", &address.to_string()]);
    command.args(["--upstream", &upstream.address.to_string()]);
    let relay = Process::start(&mut command)?;
    let begin = Instant::now();
    while TcpStream::connect(address).is_err() {
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(10), "the relay does not accept");
        thread::sleep(Duration::from_millis(10));
    }
    let open = |_| begin_post(address, "/v1/chat/completions", "{}");
    let sockets = (0..ANSWERS).map(open).collect::<anyhow::Result<Vec<_>>>()?;
    upstream.wait_for(ANSWERS)?;
    cpu_of(&upstream, sockets, || relay.usage().cpu())
}

fn measure_gateway() -> anyhow::Result<f64> {
    let upstream = Upstream::start()?;
    let gateway = gateway(upstream.address)?;
    let address: SocketAddr = gateway.address;
    let mut sockets = Vec::new();
    for n in 0..ANSWERS {
        let mut socket = open(address, &format!("/sse/a{n}"), "")?;
        read_until(&mut socket, &["tricast.hello"])?;
        sockets.push(socket);
        post(address, &format!("/llm/a{n}"), PROMPT)?;
    }
    upstream.wait_for(ANSWERS)?;
    cpu_of(&upstream, sockets, || gateway.process.usage().cpu())
}

fn cpu_of(
    upstream: &Upstream,
    sockets: Vec<TcpStream>,
    cpu: impl Fn() -> Duration,
) -> anyhow::Result<f64> {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let reading = thread::spawn(move || read_all(sockets, &over));
    upstream.send(10, PACE, 20)?;
    let before = cpu();
    upstream.send(DELTAS, PACE, 20)?;
    let used = cpu() - before;
    is_over.store(true, Relaxed);
    upstream.finish()?;
    reading.join().map_err(|_| anyhow::anyhow!("the readers have failed"))??;
    Ok(used.as_secs_f64() * 1e6 / (DELTAS * ANSWERS) as f64)
}

/// Reads all of them on one thread, until it is over and nothing comes any more.
fn read_all(sockets: Vec<TcpStream>, is_over: &AtomicBool) -> anyhow::Result<()> {
    let mut poll = Poll::new()?;
    let mut open = HashMap::new();
    for (index, socket) in sockets.into_iter().enumerate() {
        socket.set_nonblocking(true)?;
        let mut socket = mio::net::TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;
        open.insert(index, socket);
    }
    let mut times = Vec::new();
    for _ in 0..open.len() {
        times.push(Times::new()?);
    }
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 64 * 1024]);
    loop {
        poll.poll(&mut events, Some(Duration::from_millis(200)))?;
        if events.is_empty() && is_over.load(Relaxed) {
            break;
        }
        for event in &events {
            let Token(index) = event.token();
            let Some(socket) = open.get_mut(&index) else { continue };
            loop {
                match socket.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => times[index].take(&buffer[..read])?,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    let least = times.iter().map(|one| one.seen).min().unwrap_or(0);
    anyhow::ensure!(least >= DELTAS, "some reader has {least} of {DELTAS} deltas");
    Ok(())
}
