//! No byte lost and none doubled, whatever sockets, senders and peers do.

use std::io;

use fastrand::Rng;

use super::{Bench, HEAD, Peer};
use crate::{Calls, Parcel, Sender};

/// Takes less than it is given, refuses, breaks; as a kernel may at any time.
struct Faulty<'a> {
    sender: &'a mut dyn Sender,
    random: Rng,
    /// Of a hundred sends, how many break their connection.
    breaks: u8,
}

impl Sender for Faulty<'_> {
    fn send(&mut self, parcels: &[Parcel<'_>], sent: &mut Vec<io::Result<usize>>) {
        for Parcel { socket, bytes } in parcels {
            let chance = self.random.u8(..100);
            if chance < self.breaks {
                sent.push(Err(io::ErrorKind::ConnectionReset.into()));
            } else if chance < 20 {
                sent.push(Err(io::ErrorKind::WouldBlock.into()));
            } else {
                let whole = chance > 50;
                let part = if whole { bytes.len() } else { self.random.usize(..=bytes.len()) };
                let parcel = Parcel { socket: *socket, bytes: &bytes[..part] };
                match part {
                    0 => sent.push(Ok(0)),
                    _ => self.sender.send(&[parcel], sent),
                }
            }
        }
    }
}

/// A reader, and what it is to hear.
struct Reader {
    peer: Peer,
    client: usize,
    channels: Vec<usize>,
    due: String,
    /// It has hung up itself.
    gone: bool,
}

const CHANNELS: usize = 3;

struct World<'a> {
    bench: Bench,
    readers: Vec<Reader>,
    random: Rng,
    sender: Faulty<'a>,
}

impl World<'_> {
    fn join(&mut self) {
        let client = self.readers.len();
        let mut channels: Vec<usize> = (0..CHANNELS).filter(|_| self.random.bool()).collect();
        if channels.is_empty() {
            channels.push(self.random.usize(..CHANNELS));
        }
        let peer = self.bench.connect(client, &channels);
        let due = format!("{HEAD}hello\n");
        self.readers.push(Reader { peer, client, channels, due, gone: false });
    }

    fn publish(&mut self, channel: usize, end: bool) {
        let size = if self.random.u8(..10) == 0 { 20_000 } else { 50 };
        let data = "x".repeat(self.random.usize(..size));
        let somebody = self.random.usize(..=self.readers.len());
        let hidden_from = (self.random.u8(..4) == 0).then_some(somebody);
        let frame = self.bench.publish(channel, &data, hidden_from, end);
        let concerned = |reader: &&mut Reader| {
            reader.channels.contains(&channel) && Some(reader.client) != hidden_from
        };
        self.readers.iter_mut().filter(concerned).for_each(|reader| reader.due += &frame);
    }

    fn hear(&mut self, most: usize) {
        for reader in self.readers.iter_mut().filter(|reader| !reader.gone) {
            reader.peer.hear(most);
        }
    }

    fn do_something(&mut self) {
        match self.random.u8(..20) {
            0 | 1 if self.readers.len() < 12 => self.join(),
            2 if !self.readers.is_empty() && self.sender.breaks > 0 => {
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
                self.hear(most);
            }
            _ => self.bench.turn(&mut self.sender),
        }
    }

    /// Everybody hears everything and the end, or breaks off in its midst.
    fn finish(mut self) {
        for channel in 0..CHANNELS {
            self.publish(channel, true);
        }
        let Self { mut bench, mut readers, mut sender, .. } = self;
        bench.turn_until(&mut sender, |bench| {
            let open = readers.iter_mut().filter(|reader| !reader.gone && !reader.peer.ended);
            open.for_each(|reader| {
                reader.peer.hear(1 << 16);
                if reader.peer.ended {
                    // The shard waits for the peer's own end.
                    let _ = reader.peer.socket.shutdown(std::net::Shutdown::Both);
                }
            });
            readers.iter().all(|reader| reader.gone || reader.peer.ended) && bench.open() == 0
        });
        assert_eq!(bench.hub.connections(), 0, "all have left the hub");
        for mut reader in readers {
            reader.due += "bye\n";
            let heard = String::from_utf8_lossy(&reader.peer.heard);
            let whole = !reader.gone && sender.breaks == 0;
            let fine = if whole { heard == reader.due } else { reader.due.starts_with(&*heard) };
            assert!(fine, "reader {} of {:?}: {}", reader.client, reader.channels, {
                let same = heard.bytes().zip(reader.due.bytes()).take_while(|(a, b)| a == b);
                let at = same.count();
                format!("{} bytes of {}, different at {at}", heard.len(), reader.due.len())
            });
        }
    }
}

fn check(calls: Calls, breaks: u8) {
    calls.probe().expect("this kernel lets us use io_uring");
    let mut sender = calls.sender();
    let seeds = std::env::var("FAULT_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..seeds.unwrap_or(200) {
        let sender = Faulty { sender: &mut *sender, random: Rng::with_seed(seed), breaks };
        let random = Rng::with_seed(1000 + seed);
        let mut world = World { bench: Bench::new(), readers: Vec::new(), random, sender };
        for _ in 0..300 {
            world.do_something();
        }
        println!("seed {seed}");
        world.finish();
    }
}

#[test]
fn short_and_refused_writes_lose_and_double_nothing_by_epoll() {
    check(Calls::Each, 0);
}

#[test]
fn short_and_refused_writes_lose_and_double_nothing_by_io_uring() {
    check(Calls::Batched, 0);
}

#[test]
fn connections_that_break_and_peers_that_leave_take_nobody_along() {
    check(Calls::Each, 3);
}
