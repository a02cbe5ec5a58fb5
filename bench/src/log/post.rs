//! The latency of one publish at a time that waits for the disk, and in turn with each that of a
//! bare write and sync of the same bytes.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hdrhistogram::Histogram;

use super::{
    bare::BareFile,
    gateway::{Gateway, Keeping},
    measurement::{Measurement, Outcome},
};
use crate::{
    figures::{Latency, median},
    goal::{Bound, Goal},
};

const SIZE: usize = 128;
const WARM_UP: u64 = 100;
const MESSAGES: u64 = 1000;

pub(super) fn run(bench: &Measurement<'_>) -> anyhow::Result<Outcome> {
    let (mut memory, mut posts, mut bares) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        for keeping in [Keeping::Memory, Keeping::Disk("always")] {
            bench.shows(round, &format!("one POST at a time, {}", keeping.name()));
            let (post, bare) = measure(bench, keeping)?;
            match keeping {
                Keeping::Memory => memory.push(post),
                Keeping::Disk(_) => {
                    posts.push(post);
                    bares.push(bare);
                }
            }
        }
    }
    let mut text = format!(
        "One POST of {SIZE} bytes at a time; in turn with each that waits for the disk, a bare \
         write and fdatasync of the same bytes.\n\n\
         | | p50 / p99, ms |\n|---|---|\n"
    );
    let of = |all: &[Latency], figure: &dyn Fn(&Latency) -> f64| {
        median(all.iter().map(figure).collect())
    };
    for (name, all) in
        [("POST, memory", &memory), ("POST, \"always\"", &posts), ("bare write and sync", &bares)]
    {
        let (p50, p99) = (of(all, &|one| one.p50), of(all, &|one| one.p99));
        let _ = writeln!(text, "| {name} | {p50:.3} / {p99:.3} |");
    }
    let to_bare = |figure: fn(&Latency) -> f64| {
        median(posts.iter().zip(&bares).map(|(post, bare)| figure(post) / figure(bare)).collect())
    };
    let goal =
        |figure, most, reached| Goal { figure, bound: Bound::AtMost(most), unit: "", reached };
    let goals = vec![
        goal("p50 of one POST, \"always\", to a bare write and sync", 1.5, to_bare(|one| one.p50)),
        goal("p99 of the same", 2.0, to_bare(|one| one.p99)),
    ];
    Ok(Outcome { text, goals })
}

/// The latency of posts, and that of the bare writes between them.
fn measure(bench: &Measurement<'_>, keeping: Keeping) -> anyhow::Result<(Latency, Latency)> {
    let folder = bench.empty_folder()?;
    let gateway = Gateway::start(keeping, folder.path(), &[])?;
    let mut publisher = Publisher::open(gateway.address(), "bench", SIZE)?;
    for _ in 0..WARM_UP {
        publisher.publish()?;
    }
    let mut bare = match keeping {
        Keeping::Memory => None,
        Keeping::Disk(_) => Some(Bare::new(&gateway, folder.path())?),
    };
    let mut posts = Histogram::<u64>::new(3)?;
    for _ in 0..MESSAGES {
        posts.record(publisher.publish()?.as_micros() as u64)?;
        if let Some(bare) = &mut bare {
            bare.append()?;
        }
    }
    let nothing = Histogram::new(3)?;
    let bare = bare.as_ref().map_or(&nothing, |bare| &bare.latency);
    Ok((Latency::of(&posts), Latency::of(bare)))
}

/// The same bytes without a gateway.
struct Bare {
    file: BareFile,
    record: Vec<u8>,
    latency: Histogram<u64>,
}

impl Bare {
    fn new(gateway: &Gateway, folder: &Path) -> anyhow::Result<Self> {
        let record = gateway.metric("tricast_log_disk_bytes")? / WARM_UP as f64;
        let record = vec![b'x'; record as usize];
        Ok(Self { file: BareFile::new(folder)?, record, latency: Histogram::new(3)? })
    }

    fn append(&mut self) -> anyhow::Result<()> {
        let took = self.file.append(&self.record)?;
        Ok(self.latency.record(took.as_micros() as u64)?)
    }
}

/// Publishes one message after the other on one connection.
struct Publisher {
    socket: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Publisher {
    fn open(address: SocketAddr, channel: &str, size: usize) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let request = format!(
            "POST /publish/{channel} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
             Content-Length: {size}\r\n\r\n{}",
            "x".repeat(size)
        );
        Ok(Self { socket: BufReader::new(socket), request: request.into_bytes() })
    }

    /// Publishes a message; returns the time until it was acknowledged.
    fn publish(&mut self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        self.socket.get_mut().write_all(&self.request)?;
        let (mut line, mut length, mut is_first) = (String::new(), 0, true);
        loop {
            line.clear();
            anyhow::ensure!(self.socket.read_line(&mut line)? > 0, "a connection was ended");
            if std::mem::take(&mut is_first) {
                anyhow::ensure!(line.starts_with("HTTP/1.1 200"), "a publish was answered {line}");
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().context("a length")?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body)?;
        Ok(begin.elapsed())
    }
}
