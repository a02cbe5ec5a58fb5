//! Clients of answers: they find the time of each delta in the bytes of any wire.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::LazyLock,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use memchr::memmem;

use super::upstream::{DIGITS, MARK};

/// What is asked.
pub(super) const PROMPT: &str = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

const PATIENCE: Duration = Duration::from_secs(30);

/// Microseconds on the clock of this process.
pub(super) fn micros() -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed().as_micros() as u64
}

/// Opens a stream.
pub(super) fn open(address: SocketAddr, target: &str, fields: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")?;
    Ok(socket)
}

/// Opens a WebSocket.
pub(super) fn open_socket(address: SocketAddr, target: &str) -> anyhow::Result<TcpStream> {
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    open(address, target, fields)
}

/// Posts, and returns the whole response of a connection that is closed after it.
pub(super) fn post(address: SocketAddr, target: &str, body: &str) -> anyhow::Result<String> {
    let mut socket = begin_post(address, target, body)?;
    let mut response = String::new();
    socket.read_to_string(&mut response)?;
    anyhow::ensure!(response.starts_with("HTTP/1.1 20"), "{response}");
    Ok(response)
}

/// Posts, and leaves the response to be read.
pub(super) fn begin_post(
    address: SocketAddr,
    target: &str,
    body: &str,
) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(
        socket,
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(socket)
}

/// Reads until these texts have come, one after the other; returns how many bytes that took.
pub(super) fn read_until(socket: &mut TcpStream, texts: &[&str]) -> anyhow::Result<usize> {
    let (mut all, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    let mut from = 0;
    for text in texts {
        from += loop {
            if let Some(at) = memmem::find(&all[from..], text.as_bytes()) {
                break at + text.len();
            }
            let read = socket.read(&mut buffer).with_context(|| format!("no {text}"))?;
            anyhow::ensure!(read > 0, "the stream has ended before {text}");
            all.extend_from_slice(&buffer[..read]);
        };
    }
    Ok(from)
}

/// Finds the times of deltas in a stream of bytes, and how long they were under way.
pub(super) struct Times {
    pub(super) latency: Histogram<u64>,
    pub(super) seen: usize,
    rest: Vec<u8>,
}

impl Times {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { latency: Histogram::new(3)?, seen: 0, rest: Vec::new() })
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let now = micros();
        self.rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = memmem::find(&self.rest[from..], MARK.as_bytes()) {
            let begin = from + at + MARK.len();
            let Some(digits) = self.rest.get(begin..begin + DIGITS) else { break };
            let sent: u64 = std::str::from_utf8(digits)?.parse()?;
            self.latency.record(now.saturating_sub(sent).max(1))?;
            self.seen += 1;
            from = begin + DIGITS;
        }
        // A mark may be cut in two.
        let keep = self.rest.len().saturating_sub(MARK.len() + DIGITS).max(from);
        self.rest.drain(..keep);
        Ok(())
    }
}

/// Reads a stream on a thread of its own until it has seen so many deltas, of which the first
/// `skipped` do not count.
pub(super) fn follow(
    mut socket: TcpStream,
    skipped: usize,
    deltas: usize,
) -> JoinHandle<anyhow::Result<Histogram<u64>>> {
    thread::spawn(move || {
        let mut times = Times::new()?;
        let mut buffer = vec![0; 64 * 1024];
        while times.seen < deltas {
            let read = socket.read(&mut buffer)?;
            anyhow::ensure!(read > 0, "the stream has ended after {} deltas", times.seen);
            let is_warm = times.seen >= skipped;
            times.take(&buffer[..read])?;
            if !is_warm {
                times.latency.reset();
            }
        }
        Ok(times.latency)
    })
}
