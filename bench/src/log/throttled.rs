//! Readers of the past that take no more than so many bytes a second each.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use socket2::{Domain, Socket, Type};

/// What a reader's kernel takes ahead of it: less than a tenth of a second's worth, so that the
/// gateway feels how slow the reader is.
const RECEIVE_BUFFER: usize = 16 << 10;
/// How often each reader takes what it may.
const TICK: Duration = Duration::from_millis(50);

/// Readers, each of its own address, as those of a public service are.
pub(super) struct ThrottledReaders {
    sockets: Vec<TcpStream>,
    rate: u64,
}

impl ThrottledReaders {
    /// Opens `count` streams of `path(n)`, each of which will take `rate` bytes a second.
    pub(super) fn open(
        address: SocketAddr,
        count: usize,
        rate: u64,
        path: impl Fn(usize) -> String,
    ) -> anyhow::Result<Self> {
        let sockets = (0..count).map(|n| {
            let mut socket = connect_from(address, n)?;
            write!(socket, "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path(n))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        Ok(Self { sockets: sockets.collect::<anyhow::Result<_>>()?, rate })
    }

    /// Reads until `stop`; returns the bytes that all have taken.
    pub(super) fn read_until(&mut self, stop: &AtomicBool) -> anyhow::Result<u64> {
        let mut taken = vec![0_u64; self.sockets.len()];
        let mut buffer = vec![0; 64 << 10];
        let begin = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let due = (begin.elapsed().as_secs_f64() * self.rate as f64) as u64;
            for (socket, taken) in self.sockets.iter_mut().zip(&mut taken) {
                // Who was late does not catch up: it is a line with a rate.
                let may = due.saturating_sub(*taken).min(buffer.len() as u64) as usize;
                *taken += take(socket, &mut buffer[..may])?;
            }
            thread::sleep(TICK);
        }
        Ok(taken.iter().sum())
    }
}

/// Reads what is there, at most `into`.
fn take(socket: &mut TcpStream, into: &mut [u8]) -> anyhow::Result<u64> {
    let mut done = 0;
    while done < into.len() {
        match socket.read(&mut into[done..]) {
            Ok(0) => anyhow::bail!("a reader's stream was ended"),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done as u64)
}

/// Connects with a small receive buffer, from the `n`th address of the loopback network.
fn connect_from(address: SocketAddr, n: usize) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let from = Ipv4Addr::new(127, 1, (n / 250) as u8, (n % 250) as u8 + 1);
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&address.into()).context("a reader is not accepted")?;
    Ok(socket.into())
}
