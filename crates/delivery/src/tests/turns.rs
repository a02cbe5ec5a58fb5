//! Who has to wait for whom.

use std::{io, time::Duration};

use super::TestBench;
use crate::{SendMode, SendOp, Sender, broadcast::SLICE, conn::ConnState, send::SyscallSender};

/// Notes what was sent, in its order.
#[derive(Default)]
struct RecordingSender(Vec<Vec<u8>>);

impl Sender for RecordingSender {
    fn send(&mut self, ops: &[SendOp<'_>], sent: &mut Vec<io::Result<usize>>) {
        self.0.extend(ops.iter().map(|op| op.bytes.to_vec()));
        SyscallSender.send(ops, sent);
    }
}

#[test]
fn a_small_channel_waits_for_a_slice_of_a_huge_one_not_for_its_end() {
    let mut bench = TestBench::new();
    let huge = 5 * SLICE;
    let mut peers: Vec<_> = (0..huge).map(|n| bench.connect(n, &[0])).collect();
    peers.push(bench.connect(huge, &[1]));
    let mut sender = RecordingSender::default();
    bench.run_until(&mut sender, |_| {
        peers.iter_mut().for_each(|peer| peer.receive(100));
        peers.iter().all(|peer| peer.received == b"head\nhello\n")
    });
    let much = bench.publish(0, "for a crowd", None, false).into_bytes();
    bench.run_round(&mut sender);
    let little = bench.publish(1, "for one", None, false).into_bytes();
    bench.run_round(&mut sender);
    let at = sender.0.iter().position(|bytes| *bytes == little).expect("was sent at once");
    assert!(at <= 2 * SLICE, "behind {at} of {huge}");
    bench.run_until(&mut sender, |_| {
        peers.iter_mut().for_each(|peer| peer.receive(100));
        peers[..huge].iter().all(|peer| peer.received.ends_with(&much))
    });
    assert_eq!(sender.0.len(), huge + 1, "nobody twice");
}

#[test]
fn readers_that_catch_up_take_turns() {
    let mut bench = TestBench::new();
    let mut sender = SendMode::Epoll.sender();
    // Behind from the start: they hear nothing until the channel has gone on for long.
    let mut slow: Vec<_> = (0..50).map(|n| bench.connect(n, &[0])).collect();
    bench.run_round(&mut *sender);
    let data = "x".repeat(200);
    let all: String = (0..1000).map(|_| bench.publish(0, &data, None, false)).collect();
    let mut quick = bench.connect(50, &[1]);
    bench.run_until(&mut *sender, |_| {
        quick.receive(100);
        quick.received == b"head\nhello\n"
    });
    let little = bench.publish(1, "for one", None, false);
    bench.run_round(&mut *sender);
    quick.receive(100);
    assert!(quick.received.ends_with(little.as_bytes()), "in the next round, whoever is behind");
    bench.run_until(&mut *sender, |_| {
        slow.iter_mut().for_each(|peer| peer.receive(1 << 16));
        slow.iter().all(|peer| peer.received.len() >= "head\nhello\n".len() + all.len())
    });
    assert!(slow.iter().all(|peer| peer.received.ends_with(all.as_bytes())));
}

/// The short time for a farewell begins when everything has been said.
#[test]
fn a_stream_that_has_ended_keeps_the_stall_timeout_for_its_backlog() {
    let mut bench = TestBench::new();
    let mut sender = SendMode::Epoll.sender();
    let mut slow = bench.connect(0, &[0]);
    let data = "x".repeat(1 << 20);
    bench.publish(0, &data, None, false);
    let end = bench.publish(0, &data, None, true);
    bench.run_until(&mut *sender, |bench| {
        let closing = bench.shard.conns.get(0).map(|conn| conn.state) == Some(ConnState::Closing);
        if !closing {
            slow.receive(1000);
        }
        closing
    });
    let fire_timer = |bench: &mut TestBench, seconds: u64| {
        bench.shard.now += Duration::from_secs(seconds);
        let due = bench.shard.conns[0].cold.timer_due;
        bench.shard.on_timer(due, 0);
    };
    fire_timer(&mut bench, 10);
    assert_eq!(bench.open(), 1, "ten seconds without a byte taken are no reason yet");
    bench.run_until(&mut *sender, |_| {
        slow.receive(1 << 20);
        slow.ended
    });
    assert!(slow.received.ends_with(format!("{end}bye\n").as_bytes()));
    fire_timer(&mut bench, 3);
    assert_eq!(bench.open(), 1, "its peer has a moment to hang up");
    fire_timer(&mut bench, 6);
    assert_eq!(bench.open(), 0);
}

#[test]
fn connections_handed_to_a_closed_shard_are_dropped() {
    let mut bench = TestBench::new();
    let _peer = bench.connect(0, &[0]);
    assert_eq!((bench.open(), bench.hub.connection_count()), (1, 1));
    bench.shard.inbox().close();
    assert_eq!((bench.open(), bench.hub.connection_count()), (0, 0));
}
