//! Single cases of the log: start points, ended channels, limits, memory.

mod probe;

use std::sync::Arc;

use futures_util::FutureExt as _;
use probe::{Frame, Reader};
use tricast_core::{
    Alignment, Bounds, Change, CloseReason, Data, Draft, JoinError, Kind, Problem as _, ReadLimit,
    ShardWaker, Start, SubscribeError,
};

#[test]
fn the_newest_n_of_each_channel_are_merged() {
    let hub = probe::memory_hub(probe::limits());
    for name in ["a", "b", "a", "b", "b", "a"] {
        probe::publish(&hub, probe::draft(name, None, false, false));
    }
    let mut reader = Reader::join(&hub, &["a", "b"], 0, Start::Newest(2)).expect("joins");
    let seqs = probe::seqs_of(&reader.drain());
    assert_eq!(seqs, [3, 4, 5, 6]);
}

#[test]
fn a_foreign_resume_point_is_reported_and_everything_held_follows() {
    let hub = probe::memory_hub(probe::limits());
    probe::publish(&hub, probe::draft("a", None, false, false));
    let other_epoch = Start::After("other-700".parse().expect("an id"));
    let [next, last] = [2, i64::MAX as u64].map(|seq| Start::After(probe::id(seq)));
    for start in [other_epoch, next, last, Start::Foreign] {
        let mut reader = Reader::join(&hub, &["a", "b"], 0, start).expect("joins");
        let frames = reader.drain();
        let unknown = |name: &str| Frame::Gap {
            id: 0,
            channel: name.to_owned(),
            first: None,
            last: None,
            certain: false,
        };
        let expected = [
            Frame::Hello { id: 0, recovered: false },
            unknown("a"),
            unknown("b"),
            Frame::Message { seq: 1, channel: "a".to_owned() },
        ];
        assert_eq!(frames, expected, "{start:?}");
    }
}

#[test]
fn a_foreign_resume_point_does_not_end_a_reader_of_an_ended_channel() {
    let hub = probe::memory_hub(probe::limits());
    probe::publish(&hub, probe::draft("a", None, false, false));
    probe::publish(&hub, probe::draft("a", None, false, true));
    for start in [Start::After(probe::id(9)), Start::Foreign] {
        let mut reader = Reader::join(&hub, &["a"], 0, start).expect("joins");
        assert!(!reader.session.has_ended(), "{start:?}");
        assert_eq!(probe::seqs_of(&reader.drain()), [1, 2], "{start:?}");
    }
}

#[test]
fn a_reader_that_resumes_past_the_end_is_done_and_a_fresh_one_waits() {
    let hub = probe::memory_hub(probe::limits());
    probe::publish(&hub, probe::draft("a", None, false, false));
    probe::publish(&hub, probe::draft("a", None, false, true));
    let join = |start| Reader::join(&hub, &["a"], 0, start).expect("joins");
    assert!(join(Start::After(probe::id(2))).session.has_ended());
    assert!(!join(Start::After(probe::id(1))).session.has_ended());
    assert!(!join(Start::Latest).session.has_ended());
    let mut reader = join(Start::Earliest);
    assert_eq!(reader.drain().last(), Some(&Frame::Goodbye));
    // A later message opens the channel again.
    probe::publish(&hub, probe::draft("a", None, false, false));
    let mut reader = join(Start::After(probe::id(2)));
    assert_eq!(probe::seqs_of(&reader.drain()), [3]);
    assert_eq!(reader.ended, None);
    let mut replay = join(Start::Earliest);
    assert_eq!(probe::seqs_of(&replay.drain()), [1, 2, 3], "an old end marker is void");
}

#[test]
fn the_memory_budget_holds_while_other_limits_evict_messages_too() {
    let budget = 20_000;
    let hub = probe::memory_hub(probe::tight(10, budget, 100));
    probe::publish(&hub, probe::draft("quiet", None, false, false));
    for round in 0..20_000 {
        let name = ["a", "b", "c.d", "e"][round % 4];
        probe::publish(&hub, probe::draft(name, None, false, false));
        // Memory becomes scarce long after the quiet channel's only message.
        if round > 15_000 && round % 7 == 0 {
            let big = Draft::new(probe::channel("f"), Data::Text("x".repeat(3000)));
            probe::publish(&hub, big);
        }
        assert!(hub.log().stats().bytes <= budget, "{:?}", hub.log().stats());
    }
    let quiet = probe::channel("quiet");
    let quiet = hub.history(&quiet, Start::Earliest, ReadLimit::default(), None);
    let quiet = quiet.now_or_never().expect("at once").expect("reads");
    assert!(quiet.messages.is_empty(), "the oldest message of all is evicted first");
}

#[test]
fn an_end_reaches_connected_readers_even_if_messages_follow() {
    let hub = probe::memory_hub(probe::limits());
    let mut live = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    probe::publish(&hub, probe::draft("a", None, false, true));
    probe::publish(&hub, probe::draft("a", None, false, false));
    let frames = live.drain();
    assert_eq!(probe::seqs_of(&frames), [1]);
    assert_eq!(frames.last(), Some(&Frame::Goodbye));
    let mut late = Reader::join(&hub, &["a"], 0, Start::Earliest).expect("joins");
    assert_eq!(probe::seqs_of(&late.drain()), [1, 2], "an old end marker is void");
}

#[test]
fn a_draining_reader_has_read_everything() {
    let hub = probe::memory_hub(probe::limits());
    let read_limit = ReadLimit { messages: 2, ..ReadLimit::default() };
    let join = Reader::join_with_limit(&hub, &["a"], 0, Start::Latest, read_limit);
    let mut slow = join.expect("joins");
    for _ in 0..9 {
        probe::publish(&hub, probe::draft("a", None, false, false));
    }
    hub.drain().into_iter().for_each(|one| one.close(CloseReason::Draining, 1));
    let frames = slow.drain();
    assert_eq!(probe::seqs_of(&frames), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(frames.last(), Some(&Frame::Goodbye));
}

#[test]
fn a_join_at_the_limit_of_channels_never_evicts_one_of_its_own() {
    let hub = probe::memory_hub(probe::limits().with_channels(1));
    probe::publish(&hub, probe::draft("a", None, false, false));
    let refused = Reader::join(&hub, &["a", "b"], 0, Start::Latest);
    assert!(matches!(refused, Err(JoinError::Subscribe(SubscribeError::TooManyChannels(_)))));
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Earliest).expect("joins");
    assert_eq!(probe::seqs_of(&reader.drain()), [1], "the refused join had no effect");
}

#[test]
fn a_refused_join_evicts_nothing() {
    let hub = probe::memory_hub(probe::limits().with_channels(3));
    for name in ["x", "y", "z"] {
        probe::publish(&hub, probe::draft(name, None, false, false));
    }
    let refused = Reader::join(&hub, &["a", "b", "c", "d"], 0, Start::Latest);
    assert!(matches!(refused, Err(JoinError::Subscribe(SubscribeError::TooManyChannels(_)))));
    assert_eq!(hub.log().stats().messages, 3);
    let fits = Reader::join(&hub, &["a", "b", "x"], 0, Start::Earliest).expect("joins");
    assert_eq!(hub.log().stats().messages, 1, "idle channels are evicted");
    drop(fits);
    Reader::join(&hub, &["p", "q", "r"], 0, Start::Latest).expect("the count is exact");
}

#[test]
fn an_idle_channel_is_evicted_however_busy_the_others_are() {
    let busy = probe::tight(1, 1 << 20, 100);
    let hub = probe::memory_hub(busy.with_channels(10));
    let _subscriber = Reader::join(&hub, &["busy"], 0, Start::Latest).expect("joins");
    for _ in 0..500 {
        probe::publish(&hub, probe::draft("busy", None, false, false));
    }
    for n in 0..50 {
        probe::publish(&hub, probe::draft(&format!("idle{n}"), None, false, false));
    }
    assert_eq!(hub.log().stats().channels, 10);
    // The channel that has been silent longest is evicted first.
    assert!(!hub.log().scan_channels(0, |name| name.as_str() == "idle49").0.is_empty());
    assert!(hub.log().scan_channels(0, |name| name.as_str() == "idle40").0.is_empty());
}

#[test]
fn after_a_replay_the_memory_fits_its_budget_again() {
    let budget = 50_000;
    let hub = probe::memory_hub(probe::tight(1000, budget, 100));
    for _ in 0..1000 {
        probe::publish(&hub, probe::draft("a", None, false, false));
    }
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Earliest).expect("joins");
    reader.drain();
    hub.sweep();
    assert!(hub.log().stats().bytes <= budget, "{:?}", hub.log().stats());
}

#[test]
fn at_the_limit_of_channels_the_oldest_idle_one_is_evicted() {
    let hub = probe::memory_hub(probe::limits().with_channels(2));
    probe::publish(&hub, probe::draft("a", None, false, false));
    let first = Reader::join(&hub, &["b"], 0, Start::Latest).expect("joins");
    // "a" is evicted for "c", and its loss is reported later.
    let second = Reader::join(&hub, &["c"], 1, Start::Latest).expect("joins");
    let refused = Reader::join(&hub, &["a"], 2, Start::After(probe::id(0)));
    assert!(matches!(refused, Err(JoinError::Subscribe(SubscribeError::TooManyChannels(_)))));
    drop((first, second));
    let mut back = Reader::join(&hub, &["a"], 2, Start::After(probe::id(0))).expect("joins");
    let gap =
        Frame::Gap { id: 1, channel: "a".to_owned(), first: Some(1), last: Some(1), certain: true };
    assert_eq!(back.drain(), [Frame::Hello { id: 0, recovered: false }, gap]);
}

/// Load shedding: streams that are open continue.
#[test]
fn an_overloaded_hub_refuses_new_work() {
    let hub = probe::memory_hub(probe::limits());
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    let first = probe::publish(&hub, probe::draft("a", None, false, false));
    hub.set_overloaded(true);
    let refused = Reader::join(&hub, &["a"], 1, Start::Latest).map(|_| ()).expect_err("shed");
    assert_eq!(refused.kind(), Kind::Overloaded);
    let publish = hub.publish(probe::draft("a", None, false, false)).now_or_never();
    assert_eq!(publish.expect("at once").map(|_| ()).expect_err("shed").kind(), Kind::Overloaded);
    assert_eq!(probe::seqs_of(&reader.drain()), [first.id.seq]);
    let on = hub.append_despite_load(probe::draft("a", None, false, false));
    let on = on.expect("not draining").now_or_never();
    assert!(
        hub.is_overloaded() && on.expect("at once").is_ok(),
        "an open publish stream continues"
    );
    hub.set_overloaded(false);
    Reader::join(&hub, &["a"], 1, Start::Latest).expect("joins again");
    assert_eq!(hub.connection_count(), 1, "a refused join leaves no connection");
}

struct NoopWaker;

impl ShardWaker for NoopWaker {
    fn wake(&self) {}
    fn wake_reader(&self, _: u32) {}
}

/// The lag of a shard is the age of the oldest message that it has not taken.
#[test]
fn untaken_messages_report_their_age() {
    let hub = probe::memory_hub(probe::limits());
    let shard = hub.log().open_shard(Arc::new(NoopWaker));
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    reader.session.attach_to_shard(shard);
    assert_eq!(hub.log().oldest_pending(), None);
    let before = tricast_core::unix_millis();
    probe::publish(&hub, probe::draft("a", None, false, false));
    probe::publish(&hub, probe::draft("a", None, false, false));
    let oldest = hub.log().oldest_pending().expect("untaken");
    assert!((before..=tricast_core::unix_millis()).contains(&oldest));
    let mut batches = Vec::new();
    hub.log().take_batches(shard, |_| false, ReadLimit::default(), &mut batches);
    assert_eq!((batches.len(), hub.log().oldest_pending()), (1, None));
}

/// The watermark is above a batch if another channel has a later message. The readers of the batch
/// were sent the id of its last message and no other, so that is their position.
#[test]
fn a_reader_of_a_batch_stays_at_its_last_message_until_the_cursor_is_sent() {
    let hub = probe::memory_hub(probe::limits());
    let shard = hub.log().open_shard(Arc::new(NoopWaker));
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    reader.session.attach_to_shard(shard);
    reader.drain();
    let mut batches = Vec::new();
    for round in 0..3 {
        probe::publish(&hub, probe::draft("a", None, false, false));
        probe::publish(&hub, probe::draft("b", None, false, false));
        let message = 2 * round + 1;
        hub.log().take_batches(shard, |_| false, ReadLimit::default(), &mut batches);
        let batch = batches.pop().expect("a batch");
        assert_eq!(
            (batch.alignment(reader.session.seq()), batch.last_seq()),
            (Alignment::Aligned, message)
        );
        reader.session.mark_delivered(batch.last_seq(), reader.now());
        assert_eq!(reader.drain(), []);
        assert_eq!(reader.heartbeat(), Frame::Alive { id: message + 1 });
    }
    assert_eq!(reader.drain(), []);
    assert_eq!(reader.heartbeat(), Frame::Heartbeat);
}

#[test]
fn sweeps_visit_every_channel() {
    let later = tricast_core::unix_millis() + 100_000_000;
    for (age, sweeps) in [(1, 1), (160, 10), (3600, 60), (86_400, 60)] {
        let age = std::time::Duration::from_secs(age);
        let history = Bounds::default().with_bytes(1 << 20).with_age(age);
        let hub = probe::memory_hub(probe::limits().with_rules(history));
        for n in 0..300 {
            probe::publish(&hub, probe::draft(&format!("c{n}"), None, false, false));
        }
        (0..sweeps / 2).for_each(|_| hub.log().sweep_next(later));
        assert!(hub.log().stats().channels > 0, "each sweep visits a part");
        (sweeps / 2..sweeps).for_each(|_| hub.log().sweep_next(later));
        assert_eq!(hub.log().stats().channels, 0, "{age:?}");
        probe::publish(&hub, probe::draft("again", None, false, false));
        (0..sweeps).for_each(|_| hub.log().sweep_next(later));
        assert_eq!(hub.log().stats().channels, 0, "the next round visits all again");
    }
}

/// A reader that is far behind subscribes to another channel with an id of another epoch. If it is
/// disconnected after the gap of that channel, it must not resume above what it has read.
#[test]
fn no_id_above_the_cursor_is_sent() {
    let hub = probe::memory_hub(probe::limits());
    for _ in 0..50 {
        probe::publish(&hub, probe::draft("a", None, false, false));
    }
    let read_limit = ReadLimit { messages: 1, ..ReadLimit::default() };
    let mut reader =
        Reader::join_with_limit(&hub, &["a"], 0, Start::Earliest, read_limit).expect("joins");
    reader.collect();
    let read = reader.session.position().seq;
    assert!(read < 50, "it is behind");
    let foreign = Start::After("other-7".parse().expect("an id"));
    let change = Change::subscribe(&hub, probe::channel("b"), foreign);
    let change = change.now_or_never().expect("at once").expect("subscribes");
    let replies = reader.session.apply_reply(probe::reply_to(change));
    let text: Vec<_> = replies.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert!(text[0].starts_with(&format!("s {read} ")), "{text:?}");
    assert!(text[1].starts_with(&format!("g {read} b ")), "{text:?}");
}
