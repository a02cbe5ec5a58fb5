//! Who has to wait for whom.

use std::{io, time::Duration};

use super::Bench;
use crate::{Calls, Parcel, Sender, conn::State, job::SLICE, send::OneByOne};

/// Notes what was sent, in its order.
#[derive(Default)]
struct Noting(Vec<Vec<u8>>);

impl Sender for Noting {
    fn send(&mut self, parcels: &[Parcel<'_>], sent: &mut Vec<io::Result<usize>>) {
        self.0.extend(parcels.iter().map(|parcel| parcel.bytes.to_vec()));
        OneByOne.send(parcels, sent);
    }
}

#[test]
fn a_small_channel_waits_for_a_slice_of_a_huge_one_not_for_its_end() {
    let mut bench = Bench::new();
    let huge = 5 * SLICE;
    let mut peers: Vec<_> = (0..huge).map(|n| bench.connect(n, &[0])).collect();
    peers.push(bench.connect(huge, &[1]));
    let mut sender = Noting::default();
    bench.turn_until(&mut sender, |_| {
        peers.iter_mut().for_each(|peer| peer.hear(100));
        peers.iter().all(|peer| peer.heard == b"head\nhello\n")
    });
    let much = bench.publish(0, "for a crowd", None, false).into_bytes();
    bench.turn(&mut sender);
    let little = bench.publish(1, "for one", None, false).into_bytes();
    bench.turn(&mut sender);
    let at = sender.0.iter().position(|bytes| *bytes == little).expect("was sent at once");
    assert!(at <= 2 * SLICE, "behind {at} of {huge}");
    bench.turn_until(&mut sender, |_| {
        peers.iter_mut().for_each(|peer| peer.hear(100));
        peers[..huge].iter().all(|peer| peer.heard.ends_with(&much))
    });
    assert_eq!(sender.0.len(), huge + 1, "nobody twice");
}

#[test]
fn who_has_much_to_catch_up_with_has_it_in_turns() {
    let mut bench = Bench::new();
    let mut sender = Calls::Each.sender();
    // Behind from the start: they hear nothing until the channel has gone on for long.
    let mut slow: Vec<_> = (0..50).map(|n| bench.connect(n, &[0])).collect();
    bench.turn(&mut *sender);
    let data = "x".repeat(200);
    let all: String = (0..1000).map(|_| bench.publish(0, &data, None, false)).collect();
    let mut quick = bench.connect(50, &[1]);
    bench.turn_until(&mut *sender, |_| {
        quick.hear(100);
        quick.heard == b"head\nhello\n"
    });
    let little = bench.publish(1, "for one", None, false);
    bench.turn(&mut *sender);
    quick.hear(100);
    assert!(quick.heard.ends_with(little.as_bytes()), "in the next round, whoever is behind");
    bench.turn_until(&mut *sender, |_| {
        slow.iter_mut().for_each(|peer| peer.hear(1 << 16));
        slow.iter().all(|peer| peer.heard.len() >= "head\nhello\n".len() + all.len())
    });
    assert!(slow.iter().all(|peer| peer.heard.ends_with(all.as_bytes())));
}

/// The short time for a farewell begins when everything has been said.
#[test]
fn a_stream_that_is_over_still_has_the_patience_of_its_backlog() {
    let mut bench = Bench::new();
    let mut sender = Calls::Each.sender();
    let mut slow = bench.connect(0, &[0]);
    let data = "x".repeat(1 << 20);
    bench.publish(0, &data, None, false);
    let end = bench.publish(0, &data, None, true);
    bench.turn_until(&mut *sender, |bench| {
        let closing = bench.shard.conns.get(0).map(|conn| conn.state) == Some(State::Closing);
        if !closing {
            slow.hear(1000);
        }
        closing
    });
    let ring = |bench: &mut Bench, later: u64| {
        bench.shard.now += Duration::from_secs(later);
        let due = bench.shard.conns[0].rest.due;
        bench.shard.on_timer(due, 0);
    };
    ring(&mut bench, 10);
    assert_eq!(bench.open(), 1, "ten seconds without a byte taken are no reason yet");
    bench.turn_until(&mut *sender, |_| {
        slow.hear(1 << 20);
        slow.ended
    });
    assert!(slow.heard.ends_with(format!("{end}bye\n").as_bytes()));
    ring(&mut bench, 3);
    assert_eq!(bench.open(), 1, "its peer has a moment to hang up");
    ring(&mut bench, 6);
    assert_eq!(bench.open(), 0);
}

#[test]
fn what_comes_to_a_shard_that_has_closed_is_let_go() {
    let mut bench = Bench::new();
    let _peer = bench.connect(0, &[0]);
    assert_eq!((bench.open(), bench.hub.connections()), (1, 1));
    bench.shard.inbox().close();
    assert_eq!((bench.open(), bench.hub.connections()), (0, 0));
}
