//! Publishing streams of JSON lines.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use anyhow::Context as _;

/// How many lines are sent at once.
const BLOCK: u64 = 100;

/// Publishes `count` messages of `size` bytes to `channel` in one request, as fast as they are
/// taken, and waits until all are acknowledged.
pub(super) fn publish(
    address: SocketAddr,
    channel: &str,
    size: usize,
    count: u64,
) -> anyhow::Result<()> {
    let line = format!("\"{}\"\n", "x".repeat(size - 2));
    let mut socket = TcpStream::connect(address)?;
    write!(
        socket,
        "POST /publish/{channel} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        line.len() as u64 * count
    )?;
    let block = line.repeat(BLOCK as usize);
    for sent in (0..count).step_by(BLOCK as usize) {
        let lines = BLOCK.min(count - sent) as usize;
        socket.write_all(&block.as_bytes()[..lines * line.len()])?;
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let published = format!("\"published\":{count},");
    answer.contains(&published).then_some(()).with_context(|| format!("an answer: {answer}"))
}
