//! A namespace limits what readers may see of its history, whatever more memory or a store keeps.

mod probe;

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use probe::{Frame, Reader, seqs_of, store::StoreEngine};
use tricast_core::{Bounds, ChannelRules, Hub, Log, ReadLimit, Seq, Start, Visible};

const HOUR: Duration = Duration::from_secs(3600);

/// A hub whose rings hold `ring` messages of a channel, with a store.
fn hub(ring: usize, visible: Visible) -> (Arc<StoreEngine>, Arc<Hub>) {
    let history = Bounds::default().with_messages(ring).with_bytes(1 << 20);
    let rules = ChannelRules::default().with_history(history).with_visible(visible);
    let log = Arc::new(Log::new(probe::epoch(), probe::limits().with_rules(rules)));
    let engine = StoreEngine::new(log.clone(), 3);
    let hub = probe::hub(log, engine.clone());
    (engine, hub)
}

fn publish(hub: &Arc<Hub>, names: &[&str]) {
    for name in names {
        probe::publish(hub, probe::draft(name, None, false, false));
    }
}

fn read(hub: &Arc<Hub>, channels: &[&str], start: Start) -> Vec<Frame> {
    Reader::join(hub, channels, 0, start).expect("joins").drain()
}

fn gap(id: Seq, channel: &str, first: Seq, last: Seq) -> Frame {
    let (first, last) = (Some(first), Some(last));
    Frame::Gap { id, channel: channel.to_owned(), first, last, certain: false }
}

#[test]
fn a_reader_sees_the_newest_of_what_memory_and_store_have() {
    // The limit falls into the ring, on its floor, and into the store.
    for ring in [8, 4, 2, 1] {
        let (_, hub) = hub(ring, Visible { messages: 4, ..Visible::default() });
        publish(&hub, &["a"; 10]);
        for start in [Start::Earliest, Start::Newest(4), Start::Newest(9), Start::Foreign] {
            assert_eq!(seqs_of(&read(&hub, &["a"], start)), [7, 8, 9, 10], "{start:?}, {ring}");
        }
        assert_eq!(seqs_of(&read(&hub, &["a"], Start::Newest(3))), [8, 9, 10]);
        let resumed = read(&hub, &["a"], Start::After(probe::id(7)));
        assert_eq!(resumed[0], Frame::Hello { id: 7, recovered: true });
        assert_eq!(seqs_of(&resumed), [8, 9, 10]);
    }
}

#[test]
fn a_resume_from_what_is_hidden_gets_a_gap() {
    let (_, hub) = hub(2, Visible { messages: 3, ..Visible::default() });
    publish(&hub, &["a", "b", "a", "a", "b", "a", "a"]);
    let frames = read(&hub, &["a", "b"], Start::After(probe::id(1)));
    assert_eq!(frames[0], Frame::Hello { id: 1, recovered: false });
    assert_eq!(frames[1], gap(1, "a", 2, 3), "b has no more than it may show");
    assert_eq!(seqs_of(&frames), [2, 4, 5, 6, 7]);
}

#[test]
fn a_subscribe_command_is_limited_too() {
    let (_, hub) = hub(2, Visible { messages: 3, ..Visible::default() });
    publish(&hub, &["a"; 6]);
    let mut reader = Reader::join(&hub, &["b"], 0, Start::Latest).expect("joins");
    reader.drain();
    reader.subscribe(&hub, "a", Start::After(probe::id(1)));
    assert_eq!(seqs_of(&reader.drain()), [4, 5, 6]);
}

#[test]
fn what_is_too_old_is_hidden_in_the_store() {
    let (engine, hub) = hub(2, Visible { age: HOUR, ..Visible::default() });
    publish(&hub, &["a"; 8]);
    engine.make_older(5, 2 * HOUR);
    assert_eq!(seqs_of(&read(&hub, &["a"], Start::Earliest)), [6, 7, 8]);
    let frames = read(&hub, &["a"], Start::After(probe::id(2)));
    assert_eq!(frames[1], gap(2, "a", 3, 5));
    assert_eq!(seqs_of(&frames), [6, 7, 8]);
}

#[test]
fn history_shows_what_streams_show() {
    let (_, hub) = hub(2, Visible { messages: 4, ..Visible::default() });
    publish(&hub, &["a"; 10]);
    let limit = ReadLimit { messages: 100, bytes: 1 << 20 };
    let channel = probe::channel("a");
    let page = |start| {
        let page = hub.history(&channel, start, limit, None);
        page.now_or_never().expect("at once").expect("a page")
    };
    let seqs = |start| page(start).messages.iter().map(|m| m.id.seq).collect::<Vec<_>>();
    assert_eq!(seqs(Start::Earliest), [7, 8, 9, 10]);
    assert_eq!(seqs(Start::After(probe::id(8))), [9, 10]);
    let resumed = page(Start::After(probe::id(2)));
    let gap = resumed.gap.expect("a gap");
    assert_eq!((gap.first, gap.last, resumed.messages.len()), (Some(3), Some(6), 4));
    let hidden = hub.find_message(&channel, probe::id(5), None);
    assert!(hidden.now_or_never().expect("at once").expect("no error").is_none());
}

#[test]
fn live_readers_that_fall_behind_are_not_limited() {
    let (_, hub) = hub(2, Visible { messages: 3, ..Visible::default() });
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    reader.drain();
    publish(&hub, &["a"; 10]);
    assert_eq!(seqs_of(&reader.drain()), (1..=10).collect::<Vec<_>>());
}
