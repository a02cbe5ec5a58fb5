//! Erased history: no new reader gets it, and a reader below it is told.

mod probe;

use std::sync::Arc;

use futures_util::FutureExt as _;
use probe::{Frame, Reader, seqs_of, store::StoreEngine};
use tricast_core::{Hub, Log, Seq, Start};

/// A log whose rings hold two messages of each channel, with a store and without one.
fn hubs() -> [(&'static str, Arc<Hub>); 2] {
    let log = Arc::new(Log::new(probe::epoch(), probe::tight(2, 1 << 20, 100)));
    let engine = StoreEngine::new(log.clone(), 3);
    [
        ("a store", probe::hub(log, engine)),
        ("memory", probe::memory_hub(probe::tight(9, 1 << 20, 100))),
    ]
}

fn publish(hub: &Arc<Hub>, names: &[&str]) {
    for name in names {
        probe::publish(hub, probe::draft(name, None, false, false));
    }
}

fn erase(hub: &Hub, name: &str) {
    let erased = hub.erase_history(probe::channel(name)).now_or_never();
    erased.expect("settles at once").expect("is erased");
}

fn resume(hub: &Arc<Hub>, channels: &[&str], after: Seq) -> Reader {
    Reader::join(hub, channels, 0, Start::After(probe::id(after))).expect("joins")
}

fn gaps_of(frames: &[Frame]) -> Vec<(&str, Option<Seq>, Option<Seq>)> {
    let gap = |frame| match frame {
        &Frame::Gap { ref channel, first, last, .. } => Some((channel.as_str(), first, last)),
        _ => None,
    };
    frames.iter().filter_map(gap).collect()
}

#[test]
fn who_resumes_below_it_is_told_and_who_has_read_it_is_not() {
    for (kind, hub) in hubs() {
        publish(&hub, &["a", "b", "a", "a", "b", "a"]);
        erase(&hub, "a");
        for sweep in [false, true] {
            if sweep {
                hub.log().sweep(0);
            }
            for after in 0..6 {
                let frames = resume(&hub, &["a", "b"], after).drain();
                assert_eq!(frames[0], Frame::Hello { id: after, recovered: false }, "{kind}");
                let expected = vec![("a", Some(after + 1), Some(6))];
                assert_eq!(gaps_of(&frames), expected, "{kind}, after {after}, {sweep}");
                let left: Vec<Seq> = [2, 5].into_iter().filter(|seq| *seq > after).collect();
                assert_eq!(seqs_of(&frames), left, "{kind}, after {after}");
            }
            let frames = resume(&hub, &["a"], 6).drain();
            assert_eq!(frames, [Frame::Hello { id: 6, recovered: true }], "{kind}");
            for start in [Start::Earliest, Start::Newest(10)] {
                let frames = Reader::join(&hub, &["a", "b"], 0, start).expect("joins").drain();
                assert_eq!(gaps_of(&frames), [], "{kind}");
                assert_eq!(seqs_of(&frames), [2, 5], "{kind}");
            }
        }
        publish(&hub, &["a"]);
        let frames = resume(&hub, &["a"], 1).drain();
        assert_eq!(seqs_of(&frames), [7], "{kind}");
    }
}

#[test]
fn a_stream_that_has_read_all_or_is_about_to_is_not_disturbed() {
    for (kind, hub) in hubs() {
        let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
        reader.drain();
        publish(&hub, &["a"]);
        assert_eq!(seqs_of(&reader.drain()), [1], "{kind}");
        publish(&hub, &["a", "a"]);
        erase(&hub, "a");
        publish(&hub, &["a"]);
        let expected: &[Seq] = if kind == "memory" { &[2, 3, 4] } else { &[4] };
        let frames = reader.drain();
        // A ring of two messages has lost one to the last message.
        assert_eq!(gaps_of(&frames).len(), usize::from(kind != "memory"), "{kind}: {frames:?}");
        assert_eq!(seqs_of(&frames), expected, "{kind}");
        hub.log().sweep(0);
        publish(&hub, &["a"]);
        assert_eq!(seqs_of(&reader.drain()), [5], "{kind}");
    }
}

#[test]
fn a_stream_that_still_reads_it_from_the_store_is_told() {
    let log = Arc::new(Log::new(probe::epoch(), probe::tight(2, 1 << 20, 100)));
    let engine = StoreEngine::new(log.clone(), 2);
    let hub = probe::hub(log, engine.clone());
    publish(&hub, &["a", "b", "a", "b", "a", "b", "a", "b", "a", "b"]);
    engine.defer_reads();
    let mut reader = resume(&hub, &["a", "b"], 0);
    reader.drain();
    assert!(engine.answer());
    assert_eq!(seqs_of(&reader.drain()), [1, 2]);
    // The next portion was asked for already, and has what is erased now.
    erase(&hub, "a");
    publish(&hub, &["a", "a", "a"]);
    let mut frames = Vec::new();
    while reader.fetching {
        assert!(engine.answer());
        frames.extend(reader.drain());
    }
    assert_eq!(gaps_of(&frames), [("a", Some(3), Some(9))]);
    assert_eq!(seqs_of(&frames), [4, 6, 8, 10, 11, 12, 13]);
    let gap = frames.iter().position(|frame| matches!(frame, Frame::Gap { .. }));
    assert_eq!(gap, Some(0), "before what follows its first message: {frames:?}");
}
