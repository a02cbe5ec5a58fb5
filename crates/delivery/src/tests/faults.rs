//! No byte is lost or sent twice, whatever sockets, senders and peers do.

use std::io;

use fastrand::Rng;

use super::{HEAD, Peer, TestBench};
use crate::{SendMode, SendOp, Sender};

/// Sends less than it is given, refuses, or fails, as the kernel may at any time.
struct FaultySender<'a> {
    sender: &'a mut dyn Sender,
    random: Rng,
    /// The share of sends that break their connection.
    break_percent: u8,
}

impl Sender for FaultySender<'_> {
    fn send(&mut self, ops: &[SendOp<'_>], sent: &mut Vec<io::Result<usize>>) {
        for SendOp { socket, bytes } in ops {
            let chance = self.random.u8(..100);
            if chance < self.break_percent {
                sent.push(Err(io::ErrorKind::ConnectionReset.into()));
            } else if chance < 20 {
                sent.push(Err(io::ErrorKind::WouldBlock.into()));
            } else {
                let whole = chance > 50;
                let part = if whole { bytes.len() } else { self.random.usize(..=bytes.len()) };
                let op = SendOp { socket: *socket, bytes: &bytes[..part] };
                match part {
                    0 => sent.push(Ok(0)),
                    _ => self.sender.send(&[op], sent),
                }
            }
        }
    }
}

/// A reader, and the bytes that it has to receive.
struct Reader {
    peer: Peer,
    client: usize,
    channels: Vec<usize>,
    expected: String,
    /// It has closed its connection itself.
    gone: bool,
}

const CHANNELS: usize = 3;

struct World<'a> {
    bench: TestBench,
    readers: Vec<Reader>,
    random: Rng,
    sender: FaultySender<'a>,
}

impl World<'_> {
    fn join(&mut self) {
        let client = self.readers.len();
        let mut channels: Vec<usize> = (0..CHANNELS).filter(|_| self.random.bool()).collect();
        if channels.is_empty() {
            channels.push(self.random.usize(..CHANNELS));
        }
        let peer = self.bench.connect(client, &channels);
        let expected = format!("{HEAD}hello\n");
        self.readers.push(Reader { peer, client, channels, expected, gone: false });
    }

    fn publish(&mut self, channel: usize, end: bool) {
        let size = if self.random.u8(..10) == 0 { 20_000 } else { 50 };
        let data = "x".repeat(self.random.usize(..size));
        let publisher = self.random.usize(..=self.readers.len());
        let hidden_from = (self.random.u8(..4) == 0).then_some(publisher);
        let frame = self.bench.publish(channel, &data, hidden_from, end);
        let concerned = |reader: &&mut Reader| {
            reader.channels.contains(&channel) && Some(reader.client) != hidden_from
        };
        self.readers.iter_mut().filter(concerned).for_each(|reader| reader.expected += &frame);
    }

    fn receive(&mut self, most: usize) {
        for reader in self.readers.iter_mut().filter(|reader| !reader.gone) {
            reader.peer.receive(most);
        }
    }

    fn random_step(&mut self) {
        match self.random.u8(..20) {
            0 | 1 if self.readers.len() < 12 => self.join(),
            2 if !self.readers.is_empty() && self.sender.break_percent > 0 => {
                let n = self.random.usize(..self.readers.len());
                self.readers[n].gone = true;
                let _ = self.readers[n].peer.socket.shutdown(std::net::Shutdown::Both);
            }
            3..10 => {
                let channel = self.random.usize(..CHANNELS);
                self.publish(channel, false);
            }
            10..14 => {
                let most = self.random.usize(1..10_000);
                self.receive(most);
            }
            _ => self.bench.run_round(&mut self.sender),
        }
    }

    /// Ends all channels, and checks that each reader got every byte and the end, or, if its
    /// connection broke, a prefix.
    fn finish(mut self) {
        for channel in 0..CHANNELS {
            self.publish(channel, true);
        }
        let Self { mut bench, mut readers, mut sender, .. } = self;
        bench.run_until(&mut sender, |bench| {
            let open = readers.iter_mut().filter(|reader| !reader.gone && !reader.peer.ended);
            open.for_each(|reader| {
                reader.peer.receive(1 << 16);
                if reader.peer.ended {
                    // The shard waits until the peer closes its side.
                    let _ = reader.peer.socket.shutdown(std::net::Shutdown::Both);
                }
            });
            readers.iter().all(|reader| reader.gone || reader.peer.ended) && bench.open() == 0
        });
        assert_eq!(bench.hub.connection_count(), 0, "all have left the hub");
        for mut reader in readers {
            reader.expected += "bye\n";
            let received = String::from_utf8_lossy(&reader.peer.received);
            let whole = !reader.gone && sender.break_percent == 0;
            let fine = if whole {
                received == reader.expected
            } else {
                reader.expected.starts_with(&*received)
            };
            assert!(fine, "reader {} of {:?}: {}", reader.client, reader.channels, {
                let same =
                    received.bytes().zip(reader.expected.bytes()).take_while(|(a, b)| a == b);
                let at = same.count();
                format!("{} bytes of {}, different at {at}", received.len(), reader.expected.len())
            });
        }
    }
}

fn check(send_mode: SendMode, break_percent: u8) {
    send_mode.probe().expect("this kernel lets us use io_uring");
    let mut sender = send_mode.sender();
    let seeds = std::env::var("FAULT_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..seeds.unwrap_or(200) {
        let sender =
            FaultySender { sender: &mut *sender, random: Rng::with_seed(seed), break_percent };
        let random = Rng::with_seed(1000 + seed);
        let mut world = World { bench: TestBench::new(), readers: Vec::new(), random, sender };
        for _ in 0..300 {
            world.random_step();
        }
        println!("seed {seed}");
        world.finish();
    }
}

#[test]
fn short_and_refused_writes_lose_and_double_nothing_by_epoll() {
    check(SendMode::Epoll, 0);
}

#[test]
fn short_and_refused_writes_lose_and_double_nothing_by_io_uring() {
    check(SendMode::IoUring, 0);
}

#[test]
fn broken_connections_and_departed_peers_affect_no_other_reader() {
    check(SendMode::Epoll, 3);
}
