//! The engine trait supports engines with a store, and engines that acknowledge later: messages
//! that have left the rings are read in portions, and a ticket settles when its message is visible.

mod probe;

use std::{net::Ipv4Addr, sync::Arc};

use futures_util::FutureExt as _;
use probe::{Frame, Reader, seqs_of, store::StoreEngine};
use tricast_core::{
    Beginning, ChannelRules, Data, EngineError, Extent, Hub, Identity, Log, MessageId, Namespaces,
    Publication, PublishError, ReadLimit, Seq, SlowReader, Start,
};

/// A log whose rings hold two messages of each channel; `unlogged` is not stored.
fn store(portion: usize) -> (Arc<StoreEngine>, Arc<Hub>) {
    let rules = probe::tight(2, 1 << 20, 100).rules;
    let logged = rules.for_channel(&probe::channel("a")).clone();
    let unlogged = ChannelRules::clone(&logged).with_log(false);
    let list = vec![("unlogged".parse().expect("a pattern"), Arc::new(unlogged))];
    let limits = probe::limits().with_rules(Namespaces::new(list, logged));
    let log = Arc::new(Log::new(probe::epoch(), limits));
    let engine = StoreEngine::new(log.clone(), portion);
    let hub = probe::hub(log, engine.clone());
    (engine, hub)
}

fn publish(hub: &Arc<Hub>, names: &[&str]) {
    for name in names {
        probe::publish(hub, probe::draft(name, None, false, false));
    }
}

fn drain(reader: &mut Reader) -> Vec<Frame> {
    let frames = reader.drain();
    let gaps = frames.iter().any(|frame| matches!(frame, Frame::Gap { .. }));
    assert!(!gaps, "{frames:?}");
    frames
}

fn resume(hub: &Arc<Hub>, channels: &[&str], after: Seq) -> Reader {
    Reader::join(hub, channels, 0, Start::After(probe::id(after))).expect("joins")
}

fn append(hub: &Arc<Hub>, name: &str) -> Publication {
    hub.append_despite_load(probe::draft(name, None, false, false)).expect("not draining")
}

#[test]
fn what_has_left_the_rings_is_read_from_the_engine_in_order() {
    for portion in 1..8 {
        let (_, hub) = store(portion);
        publish(&hub, &["a", "b", "a", "a", "b", "b", "a", "b", "c"]);
        let mut reader = resume(&hub, &["a", "b", "c"], 0);
        let frames = drain(&mut reader);
        assert_eq!(frames[0], Frame::Hello { id: 0, recovered: true });
        assert_eq!(seqs_of(&frames), [1, 2, 3, 4, 5, 6, 7, 8, 9], "portions of {portion}");
    }
}

#[test]
fn channels_in_the_ring_and_in_the_store_are_merged() {
    let (_, hub) = store(2);
    // "b" has all of its messages in its ring, "a" has two of five.
    publish(&hub, &["a", "b", "a", "a", "b", "a", "a"]);
    let mut reader = resume(&hub, &["b", "a"], 0);
    assert_eq!(seqs_of(&drain(&mut reader)), [1, 2, 3, 4, 5, 6, 7]);
    publish(&hub, &["b"]);
    assert_eq!(seqs_of(&drain(&mut reader)), [8], "live after the store");
}

#[test]
fn a_reader_waits_for_the_engine_and_its_position_stays_truthful() {
    let (engine, hub) = store(1);
    publish(&hub, &["a", "a", "a", "a"]);
    engine.defer();
    let mut reader = resume(&hub, &["a"], 0);
    assert_eq!(reader.drain().len(), 1, "only hello");
    assert!(reader.fetching);
    assert!(engine.answer());
    assert_eq!(seqs_of(&reader.drain()), [1]);
    assert_eq!(reader.session.position(), probe::id(1), "a cut here loses nothing");
    assert!(reader.fetching && engine.answer());
    assert_eq!(seqs_of(&reader.drain()), [2, 3, 4], "the rest is in the ring");
}

#[test]
fn a_portion_that_was_taken_back_is_asked_for_again() {
    let (engine, hub) = store(8);
    publish(&hub, &["a"; 6]);
    engine.defer();
    let limit = ReadLimit { messages: 2, ..ReadLimit::default() };
    let start = Start::After(probe::id(0));
    let mut reader = Reader::join_with_limit(&hub, &["a"], 0, start, limit).expect("joins");
    reader.collect();
    reader.collect();
    assert!(engine.answer());
    assert_eq!(seqs_of(&reader.collect()), [1, 2]);
    engine.take_back();
    assert!(reader.collect().is_empty() && reader.fetching, "it asks for the rest");
    assert!(engine.answer());
    assert_eq!(seqs_of(&reader.drain()), [3, 4, 5, 6]);
}

#[test]
fn a_portion_is_given_back_once_it_is_read() {
    let (engine, hub) = store(3);
    publish(&hub, &["a"; 8]);
    engine.defer();
    let mut reader = resume(&hub, &["a"], 0);
    reader.drain();
    assert!(engine.answer());
    assert_eq!(seqs_of(&reader.collect()), [1, 2, 3]);
    assert_eq!(engine.given_back(), 1, "before the next one is asked for");
    reader.drain();
    assert!(engine.answer());
    drop(reader);
    assert_eq!(engine.given_back(), 2, "also by one that leaves");
}

#[test]
fn a_stream_gets_larger_portions_once_it_has_read_some_and_small_parts_of_them() {
    let (engine, hub) = store(100);
    for _ in 0..34 {
        let mut draft = probe::draft("a", None, false, false);
        draft.data = Data::Text("x".repeat(4096));
        probe::publish(&hub, draft);
    }
    engine.defer();
    let mut reader = resume(&hub, &["a"], 0);
    reader.drain();
    let small = Some(ReadLimit { messages: 64, bytes: 16 << 10 });
    for n in 0..4 {
        assert_eq!(engine.asked_limit(), small, "portion {n}");
        assert!(engine.answer());
        let first = 4 * n + 1;
        assert_eq!(seqs_of(&reader.drain()), (first..first + 4).collect::<Vec<_>>());
    }
    assert_eq!(engine.asked_limit(), Some(ReadLimit::default()), "it takes what it is sent");
    assert!(engine.answer());
    assert_eq!(seqs_of(&reader.collect()), [17, 18, 19, 20], "16 KiB");
    assert_eq!(engine.given_back(), 4, "it has more");
    engine.take_back();
    let mut rest = reader.collect();
    assert!(rest.is_empty() && reader.fetching);
    for first in [21, 25, 29] {
        assert_eq!(engine.asked_limit(), small, "a slow reader holds no large portion");
        assert!(engine.answer());
        assert_eq!(seqs_of(&reader.collect()), (first..first + 4).collect::<Vec<_>>());
        rest = reader.collect();
    }
    assert_eq!(seqs_of(&rest), [33, 34], "the rest is in the ring");
}

#[test]
fn earliest_and_newest_reach_into_the_store() {
    let (_, hub) = store(3);
    publish(&hub, &["a", "b", "a", "a", "a", "b", "a"]);
    let seqs = |start| {
        let mut reader = Reader::join(&hub, &["a"], 0, start).expect("joins");
        seqs_of(&drain(&mut reader))
    };
    assert_eq!(seqs(Start::Earliest), [1, 3, 4, 5, 7]);
    assert_eq!(seqs(Start::Newest(4)), [3, 4, 5, 7]);
    assert_eq!(seqs(Start::Newest(2)), [5, 7]);
    assert_eq!(seqs(Start::Newest(100)), [1, 3, 4, 5, 7]);
    assert_eq!(seqs(Start::Newest(0)), [] as [Seq; 0]);
}

#[test]
fn what_the_store_has_let_go_or_lost_is_a_gap_for_each_channel() {
    let (engine, hub) = store(8);
    publish(&hub, &["a", "b", "a", "a", "b", "a", "a", "a", "b", "b"]);
    engine.retire(2);
    engine.damage(4, 5);
    let mut reader = resume(&hub, &["a", "b"], 0);
    let frames = reader.drain();
    assert_eq!(frames[0], Frame::Hello { id: 0, recovered: false });
    let gaps: Vec<(String, Option<Seq>, Option<Seq>, Seq)> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Gap { id, channel, first, last, certain } => {
                assert!(!certain, "nobody knows whether there was one");
                Some((channel.clone(), *first, *last, *id))
            }
            _ => None,
        })
        .collect();
    let gap = |name: &str, first, last, id| (name.to_owned(), Some(first), Some(last), id);
    let expected = [gap("a", 1, 2, 0), gap("b", 1, 2, 2), gap("a", 4, 5, 3), gap("b", 4, 5, 5)];
    assert_eq!(gaps, expected, "only the last gap of a hole moves the cursor");
    assert_eq!(seqs_of(&frames), [3, 6, 7, 8, 9, 10]);
}

#[test]
fn a_hole_is_reported_before_newer_messages_of_other_channels() {
    let (engine, hub) = store(8);
    publish(&hub, &["a", "a", "a", "b", "a", "b", "a", "a", "a"]);
    engine.retire(6);
    let limit = ReadLimit { messages: 2, ..ReadLimit::default() };
    let start = Start::After(probe::id(0));
    let mut reader = Reader::join_with_limit(&hub, &["a", "b"], 0, start, limit).expect("joins");
    let frames = reader.collect();
    let Frame::Gap { id, first, last, .. } = frames[1] else { panic!("{frames:?}") };
    assert_eq!((first, last), (Some(1), Some(6)));
    assert!(id < 4, "a cut before the messages of b reports the gap again");
}

#[test]
fn a_channel_that_is_not_logged_has_its_ring_alone() {
    let (_, hub) = store(8);
    publish(&hub, &["unlogged", "a", "unlogged", "a", "unlogged", "a"]);
    let mut reader = resume(&hub, &["unlogged", "a"], 0);
    let frames = reader.drain();
    assert_eq!(frames[0], Frame::Hello { id: 0, recovered: false });
    let (channel, first, last) = ("unlogged".to_owned(), Some(1), Some(1));
    // The cursor stays: what "a" has below this is still to be read.
    let gap = Frame::Gap { id: 0, channel, first, last, certain: true };
    assert!(frames.contains(&gap), "{frames:?}");
    assert_eq!(seqs_of(&frames), [2, 3, 4, 5, 6]);
}

#[test]
fn an_overtaken_reader_reads_on_from_the_store_unless_its_channel_disconnects() {
    for (policy, survives) in [(SlowReader::Gap, true), (SlowReader::Disconnect, false)] {
        let (_, hub) = store(8);
        let rules = ChannelRules::clone(&hub.log().rules_for(&probe::channel("a")));
        hub.log().set_rules(rules.with_slow_reader(policy).into());
        publish(&hub, &["a"; 5]);
        let limit = ReadLimit { messages: 1, ..ReadLimit::default() };
        let start = Start::After(probe::id(0));
        let catching_up = Reader::join_with_limit(&hub, &["a"], 0, start, limit);
        let mut catching_up = catching_up.expect("joins");
        assert_eq!(seqs_of(&catching_up.collect()), [1]);
        let mut live = Reader::join(&hub, &["a"], 1, Start::Latest).expect("joins");
        drain(&mut live);
        publish(&hub, &["a"; 5]);
        let frames = live.drain();
        assert_eq!(live.ended.is_none(), survives, "{policy:?}: {frames:?}");
        assert_eq!(seqs_of(&frames).len(), if survives { 5 } else { 0 });
        let rest: Vec<Seq> = (2..=10).collect();
        assert_eq!(seqs_of(&drain(&mut catching_up)), rest, "it never was live");
    }
}

#[test]
fn the_end_of_a_channel_without_a_ring_is_known() {
    let (_, hub) = store(8);
    publish(&hub, &["a"]);
    probe::publish(&hub, probe::draft("a", None, false, true));
    hub.log().sweep(tricast_core::unix_millis() + 100_000_000);
    assert_eq!(hub.log().stats().channels, 0);
    let mut behind = resume(&hub, &["a"], 0);
    assert_eq!(seqs_of(&drain(&mut behind)), [1, 2]);
    assert!(behind.ended.is_some(), "it has read the end");
    drop(behind);
    hub.log().sweep(tricast_core::unix_millis() + 100_000_000);
    let reader = resume(&hub, &["a"], 2);
    assert!(reader.session.has_ended(), "it resumes behind the end");
}

#[test]
fn the_end_of_a_channel_is_known_although_somebody_is_there_who_did_not_ask() {
    let (_, hub) = store(8);
    publish(&hub, &["a", "b"]);
    probe::publish(&hub, probe::draft("a", None, false, true));
    // Another life, whose rings are empty.
    let (epoch, extent) = (probe::epoch(), Some(Extent::default()));
    let (lineage, earlier) = Default::default();
    hub.begin(Beginning { epoch, lineage, after: 3, head: 3, extent, earlier, erased: Vec::new() });
    for start in [Start::Latest, Start::After(probe::id(3))] {
        // The first that is there does not ask, or asks about another channel too.
        let _first = Reader::join(&hub, &["a", "b"], 1, start).expect("joins");
        let mut behind = resume(&hub, &["a"], 0);
        assert_eq!(seqs_of(&drain(&mut behind)), [1, 3]);
        assert!(behind.ended.is_some(), "it has read the end");
        let reader = resume(&hub, &["a"], 3);
        assert!(reader.session.has_ended(), "it resumes behind the end");
        assert!(!resume(&hub, &["b"], 3).session.has_ended(), "it has no end");
    }
    publish(&hub, &["a"]);
    assert!(!resume(&hub, &["a"], 3).session.has_ended(), "it goes on");
}

#[test]
fn history_is_read_from_the_store_in_pages() {
    let (engine, hub) = store(2);
    publish(&hub, &["a", "b", "a", "a", "a", "a", "b"]);
    let page = |start, messages| {
        let limit = ReadLimit { messages, ..ReadLimit::default() };
        let history = hub.history(&probe::channel("a"), start, limit, None).now_or_never();
        let history = history.expect("at once").expect("reads");
        let seqs: Vec<Seq> = history.messages.iter().map(|message| message.id.seq).collect();
        (seqs, history.id.seq, history.more, history.gap.and_then(|gap| gap.last))
    };
    let after = |seq| Start::After(probe::id(seq));
    assert_eq!(page(Start::Earliest, 3), (vec![1, 3, 4], 4, true, None));
    assert_eq!(page(after(4), 3), (vec![5, 6], 7, false, None));
    assert_eq!(page(Start::Newest(3), 9), (vec![4, 5, 6], 7, false, None));
    engine.damage(3, 4);
    assert_eq!(page(Start::Earliest, 9), (vec![1], 1, true, None), "a page ends before a hole");
    assert_eq!(page(after(1), 9), (vec![5, 6], 7, false, Some(4)));
}

#[test]
fn a_page_of_history_is_read_within_the_shares_of_its_reader() {
    let (engine, hub) = store(2);
    publish(&hub, &["a", "a", "a", "a"]);
    engine.defer_reads();
    let mut reader = Identity::unverified(None, Some("alice".parse().expect("a user")));
    reader.address = Some(Ipv4Addr::LOCALHOST.into());
    let channel = probe::channel("a");
    let limit = ReadLimit::default();
    let mut page = Box::pin(hub.history(&channel, Start::Earliest, limit, Some(&reader)));
    assert!(page.as_mut().now_or_never().is_none(), "it waits for the store");
    assert_eq!(engine.asked_by(), Some((reader.user.clone(), reader.address)));
}

#[test]
fn a_message_is_invisible_until_its_ticket_settles() {
    let (engine, hub) = store(8);
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    drain(&mut reader);
    engine.defer();
    let mut tickets: Vec<_> = ["a", "b", "a"].map(|name| append(&hub, name)).into();
    assert!(tickets.iter_mut().all(|ticket| ticket.now_or_never().is_none()));
    assert!(drain(&mut reader).is_empty());
    engine.settle();
    let ids = tickets.into_iter().map(|ticket| ticket.now_or_never().expect("settled"));
    let ids: Vec<Seq> = ids.map(|receipt| receipt.expect("published").id.seq).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(seqs_of(&drain(&mut reader)), [1, 3]);
}

#[test]
fn a_place_in_the_order_is_kept_until_the_message_is_visible() {
    let (engine, hub) = store(8);
    engine.defer();
    let ticket = append(&hub, "a");
    hub.log().sweep(tricast_core::unix_millis() + 100_000_000);
    assert_eq!(hub.log().stats().channels, 1, "its channel is not forgotten");
    engine.lose_placed();
    let lost = ticket.now_or_never().expect("settled");
    assert!(matches!(lost, Err(PublishError::Engine(EngineError::Unknown(_)))), "{lost:?}");
    assert_eq!(hub.log().stats().channels, 0, "the place is given back");
}

#[test]
fn a_feed_that_repeats_a_message_changes_nothing() {
    let (_, hub) = store(8);
    publish(&hub, &["a", "a"]);
    let draft = probe::draft("a", None, false, false);
    let stored = tricast_core::Stored { seq: 2, time: 1, online: None, draft };
    let again = tricast_core::Placed { stored, reservation: None };
    assert_eq!(hub.log().accept_all(vec![again])[0].subscribers, 0);
    assert_eq!(hub.log().head(), probe::id(2));
    assert_eq!(hub.log().stats().messages, 2);
}

#[test]
fn a_message_without_a_slot_is_left_to_the_store() {
    let limits = probe::tight(2, 1 << 20, 100).with_channels(1);
    let log = Arc::new(Log::new(probe::epoch(), limits));
    let engine = StoreEngine::new(log.clone(), 8);
    let hub = probe::hub(log, engine.clone());
    let mut occupant = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    drain(&mut occupant);
    let draft = probe::draft("b", None, false, false);
    let stored = tricast_core::Stored { seq: 1, time: 1, online: None, draft };
    hub.log().accept_all(vec![tricast_core::Placed { stored, reservation: None }]);
    assert_eq!(hub.log().head(), probe::id(1));
    assert_eq!(hub.log().stats().skipped, 1);
    assert_eq!(hub.log().floor(&probe::channel("b")), 1);
}

#[test]
fn another_epoch_says_goodbye_and_forgets_everything() {
    let (_, hub) = store(8);
    let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
    publish(&hub, &["a", "a", "unlogged"]);
    drain(&mut reader);
    let epoch = "next".parse().expect("an epoch");
    hub.begin(Beginning {
        epoch,
        lineage: vec![(probe::epoch(), 1)],
        after: 1,
        head: 1,
        extent: Some(Extent::default()),
        earlier: Vec::new(),
        erased: Vec::new(),
    });
    assert!(drain(&mut reader).contains(&Frame::Goodbye));
    assert_eq!(hub.log().head(), MessageId { epoch, seq: 1 });
    let recovered = |seq| {
        let mut reader = resume(&hub, &["a"], seq);
        matches!(reader.collect()[0], Frame::Hello { recovered: true, .. })
    };
    assert!(recovered(1), "in the lineage");
    assert!(!recovered(2), "above the seq up to which its epoch counts");
}
