//! Fairness: which connection has to wait for which.

use std::{io, time::Duration};

use super::TestBench;
use crate::{SendMode, SendOp, Sender, broadcast::SLICE, conn::ConnState, send::SyscallSender};

/// Records what was sent, in order.
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
    let at = sender.0.iter().position(|bytes| *bytes == little).expect("was sent");
    assert!(at <= 2 * SLICE, "after {at} of {huge}");
    bench.run_until(&mut sender, |_| {
        peers.iter_mut().for_each(|peer| peer.receive(100));
        peers[..huge].iter().all(|peer| peer.received.ends_with(&much))
    });
    assert_eq!(sender.0.len(), huge + 1, "one send to each reader");
}

#[test]
fn readers_that_catch_up_take_turns() {
    let mut bench = TestBench::new();
    let mut sender = SendMode::Epoll.sender();
    // They catch up from the start: they read nothing until the channel has many messages.
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
    let sent = quick.received.ends_with(little.as_bytes());
    assert!(sent, "sent in the next round, however many catch up");
    bench.run_until(&mut *sender, |_| {
        slow.iter_mut().for_each(|peer| peer.receive(1 << 16));
        slow.iter().all(|peer| peer.received.len() >= "head\nhello\n".len() + all.len())
    });
    assert!(slow.iter().all(|peer| peer.received.ends_with(all.as_bytes())));
}

/// The short grace of a closing connection begins when everything has been written.
#[test]
fn a_stream_that_has_ended_keeps_the_stall_timeout_for_its_backlog() {
    let mut bench = TestBench::new();
    let mut sender = SendMode::Epoll.sender();
    let mut slow = bench.connect(0, &[0]);
    let data = "x".repeat(1 << 20);
    bench.publish(0, &data, None, false);
    let end = bench.publish(0, &data, None, true);
    bench.run_until(&mut *sender, |bench| {
        let conn = bench.shard.conns.key_at(0).and_then(|key| bench.shard.conns.get(key));
        let closing = conn.is_some_and(|conn| conn.state == ConnState::Closing);
        if !closing {
            slow.receive(1000);
        }
        closing
    });
    let fire_timer = |bench: &mut TestBench, seconds: u64| {
        bench.shard.now += Duration::from_secs(seconds);
        let key = bench.shard.conns.key_at(0).expect("still open");
        let due = bench.shard.conns[key].cold.timer_due;
        bench.shard.on_timer(due, key);
    };
    fire_timer(&mut bench, 10);
    assert_eq!(bench.open(), 1, "ten seconds without progress are allowed");
    bench.run_until(&mut *sender, |_| {
        slow.receive(1 << 20);
        slow.ended
    });
    assert!(slow.received.ends_with(format!("{end}bye\n").as_bytes()));
    fire_timer(&mut bench, 3);
    assert_eq!(bench.open(), 1, "its peer has a moment to close");
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

#[test]
fn the_key_of_a_closed_connection_does_not_find_the_next_at_its_index() {
    let mut bench = TestBench::new();
    let mut sender = SendMode::Epoll.sender();
    let _peers = [bench.connect(0, &[0])];
    bench.run_round(&mut *sender);
    let closed = bench.shard.conns.key_at(0).expect("open");
    bench.shard.close(closed);
    let _peers = [bench.connect(1, &[0])];
    bench.run_round(&mut *sender);
    let open = bench.shard.conns.key_at(0).expect("takes the same index");
    assert!(bench.shard.conns.get(closed).is_none());
    assert!(bench.shard.conns.remove(closed).is_none());
    assert!(bench.shard.conns.get(open).is_some());
}
