//! What it takes to ask a busy gateway for its metrics.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::ProgressBar;

use crate::{figures::median, target::tricast};

/// Streams that are open, each on a channel of its own.
const STREAMS: usize = 10_000;

/// Scrapes that count.
const SCRAPES: usize = 200;

/// More would be felt by those who wait for a message meanwhile.
const GOAL: Duration = Duration::from_millis(5);

/// Asks again and again.
pub(crate) fn run(bar: &ProgressBar) -> anyhow::Result<String> {
    bar.set_prefix("metrics");
    bar.set_length(STREAMS as u64);
    let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let target = tricast("sse", "auto", "bench");
    let running = target.start_with(&[("TRICAST__ADMIN__BIND", &admin.to_string())])?;
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let mut stream = TcpStream::connect(running.address)?;
        write!(stream, "GET /sse/c{number} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        anyhow::ensure!(answer == *b"HTTP/1.1 200", "a stream was refused");
        streams.push(stream);
        bar.inc(1);
    }
    let mut scraper = BufReader::new(TcpStream::connect(admin)?);
    let (mut times, mut bytes) = (Vec::new(), 0);
    for _ in 0..SCRAPES {
        let begin = Instant::now();
        scraper.get_mut().write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let text = body(&mut scraper)?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        let open = format!("tricast_log_channels {STREAMS}\n");
        anyhow::ensure!(text.contains(&open), "not all channels are there");
        bytes = text.len();
    }
    times.sort_by(f64::total_cmp);
    let (p99, middle) = (times[SCRAPES * 99 / 100], median(times));
    anyhow::ensure!(middle < GOAL.as_secs_f64() * 1e3, "/metrics takes {middle:.1} ms");
    Ok(format!(
        "/metrics with {STREAMS} streams on {STREAMS} channels: \
         p50 / p99 {middle:.2} / {p99:.2} ms, {bytes} bytes.\n"
    ))
}

/// The body of the next answer.
fn body(from: &mut impl std::io::BufRead) -> anyhow::Result<String> {
    let mut length = None;
    for line in from.by_ref().lines() {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = Some(value.parse()?);
        }
    }
    let mut body = vec![0; length.context("a length")?];
    from.read_exact(&mut body)?;
    Ok(String::from_utf8(body)?)
}
