//! Publish, join, read and wake under every schedule that shuttle tries: no message is lost between
//! catch-up and live delivery, and no wake-up is lost.

mod probe;

use std::{sync::Arc, task::Poll};

use probe::{Frame, Reader, store::StoreEngine};
use shuttle::{
    future::block_on,
    sync::{Condvar, Mutex},
    thread,
};
use tricast_core::{Alignment, CloseReason, Hub, Log, ReadLimit, Seq, ShardWaker, Start};

const MESSAGES: Seq = 4;

/// Reads until `last` has arrived, and waits whenever there is nothing to read; a lost wake-up
/// becomes a deadlock, which shuttle reports.
fn read_until(reader: &mut Reader, last: Seq) -> Vec<Frame> {
    let mut frames = Vec::new();
    block_on(std::future::poll_fn(|cx| {
        reader.session.register(cx.waker());
        loop {
            let more = reader.collect();
            if more.is_empty() {
                return Poll::Pending;
            }
            frames.extend(more);
            let done = matches!(frames.last(), Some(Frame::Message { seq, .. }) if *seq == last);
            if done || reader.ended.is_some() {
                return Poll::Ready(());
            }
        }
    }));
    frames
}

fn publisher(hub: &Arc<Hub>, count: Seq) -> thread::JoinHandle<()> {
    let hub = hub.clone();
    thread::spawn(move || {
        for _ in 0..count {
            probe::publish(&hub, probe::draft("a", None, false, false));
        }
    })
}

fn check(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let again = test.clone();
    let schedules = std::env::var("SHUTTLE_SCHEDULES");
    let schedules = schedules.map_or(3000, |text| text.parse().expect("a number"));
    shuttle::check_random(move || test(), schedules);
    shuttle::check_pct(move || again(), schedules, 3);
}

#[test]
fn a_reader_that_joins_during_a_publish_misses_nothing_after_its_hello() {
    check(|| {
        let hub = probe::memory_hub(probe::limits());
        let publishing = publisher(&hub, MESSAGES - 1);
        let joining = {
            let hub = hub.clone();
            thread::spawn(move || {
                let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
                read_until(&mut reader, MESSAGES)
            })
        };
        publishing.join().expect("publishes");
        // The last message is published while the reader may be at any point after its join.
        while hub.log().online(&probe::channel("a")).total.connections == 0 {
            thread::yield_now();
        }
        publisher(&hub, 1).join().expect("publishes");
        let frames = joining.join().expect("reads");
        let Some(Frame::Hello { id, .. }) = frames.first() else { panic!("hello is first") };
        let expected: Vec<Seq> = (id + 1..=MESSAGES).collect();
        let seqs = frames.iter().filter_map(|frame| match frame {
            Frame::Message { seq, .. } => Some(*seq),
            _ => None,
        });
        assert_eq!(seqs.collect::<Vec<_>>(), expected);
    });
}

#[test]
fn two_publishers_and_a_waiting_reader_keep_one_order() {
    check(|| {
        let hub = probe::memory_hub(probe::limits());
        let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
        let publishing = [publisher(&hub, 2), publisher(&hub, 2)];
        let frames = read_until(&mut reader, 4);
        publishing.into_iter().for_each(|one| one.join().expect("publishes"));
        assert_eq!(frames.len(), 5, "hello and four messages: {frames:?}");
    });
}

#[test]
fn a_close_request_reaches_a_reader_at_any_point() {
    check(|| {
        let hub = probe::memory_hub(probe::limits());
        let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
        let draining = {
            let hub = hub.clone();
            thread::spawn(move || {
                hub.drain().into_iter().for_each(|one| one.close(CloseReason::Draining, 1));
            })
        };
        read_until(&mut reader, Seq::MAX);
        assert_eq!(reader.ended, Some(CloseReason::Draining));
        draining.join().expect("drains");
    });
}

#[test]
fn a_reader_that_leaves_during_a_publish_is_no_longer_counted() {
    check(|| {
        let hub = probe::memory_hub(probe::limits());
        let publishing = publisher(&hub, 2);
        let leaving = {
            let hub = hub.clone();
            thread::spawn(move || drop(Reader::join(&hub, &["a"], 0, Start::Latest)))
        };
        publishing.join().expect("publishes");
        leaving.join().expect("leaves");
        assert_eq!(hub.connection_count(), 0);
        assert_eq!(hub.log().online(&probe::channel("a")).total.connections, 0);
    });
}

/// A hub whose rings hold one message of a channel, with a store that answers when it is told to.
fn store_hub() -> (Arc<StoreEngine>, Arc<Hub>) {
    let log = Arc::new(Log::new(probe::epoch(), probe::tight(1, 1 << 20, 100)));
    let engine = StoreEngine::new(log.clone(), 2);
    engine.defer_reads();
    let hub = probe::hub(log, engine.clone());
    (engine, hub)
}

#[test]
fn an_answer_of_the_engine_wakes_its_reader_while_others_publish() {
    check(|| {
        let (engine, hub) = store_hub();
        publisher(&hub, 3).join().expect("publishes");
        let mut reader = Reader::join(&hub, &["a"], 0, Start::After(probe::id(0))).expect("joins");
        let publishing = publisher(&hub, MESSAGES - 3);
        let done = Arc::new(shuttle::sync::atomic::AtomicBool::new(false));
        let answering = {
            let done = done.clone();
            thread::spawn(move || {
                while !done.load(shuttle::sync::atomic::Ordering::SeqCst) {
                    engine.answer();
                    thread::yield_now();
                }
            })
        };
        let frames = read_until(&mut reader, MESSAGES);
        done.store(true, shuttle::sync::atomic::Ordering::SeqCst);
        assert_eq!(probe::seqs_of(&frames), [1, 2, 3, 4]);
        publishing.join().expect("publishes");
        answering.join().expect("answers");
    });
}

#[test]
fn messages_of_two_publishers_settle_in_order_and_wake_the_reader() {
    check(|| {
        let log = Arc::new(Log::new(probe::epoch(), probe::limits()));
        let engine = StoreEngine::new(log.clone(), 2);
        engine.defer();
        let hub = probe::hub(log, engine.clone());
        let mut reader = Reader::join(&hub, &["a"], 0, Start::Latest).expect("joins");
        let publishing = [0, 1].map(|_| {
            let (hub, engine) = (hub.clone(), engine.clone());
            thread::spawn(move || {
                let append = || {
                    let draft = probe::draft("a", None, false, false);
                    hub.append_despite_load(draft).expect("not draining")
                };
                let tickets = [append(), append()];
                engine.settle();
                let seqs = tickets.map(|ticket| {
                    let receipt = block_on(ticket).expect("published");
                    receipt.id.seq
                });
                assert!(seqs[0] < seqs[1], "of one publisher");
            })
        });
        let frames = read_until(&mut reader, 4);
        assert_eq!(probe::seqs_of(&frames), [1, 2, 3, 4]);
        publishing.into_iter().for_each(|one| one.join().expect("publishes"));
    });
}

/// The waker of a shard that is a thread of this test.
#[derive(Default)]
struct TestWaker {
    woken: Mutex<bool>,
    condvar: Condvar,
}

impl TestWaker {
    fn wait(&self) {
        let mut woken = self.woken.lock().expect("lock");
        while !std::mem::take(&mut *woken) {
            woken = self.condvar.wait(woken).expect("lock");
        }
    }
}

impl ShardWaker for TestWaker {
    fn wake(&self) {
        *self.woken.lock().expect("lock") = true;
        self.condvar.notify_one();
    }

    fn wake_reader(&self, _: u32) {
        self.wake();
    }
}

/// Reads as a shard does: batches where the reader is aligned, otherwise by its session.
fn read_on_shard(hub: &Arc<Hub>, last: Seq, limit: ReadLimit) -> Vec<Seq> {
    let waker = Arc::new(TestWaker::default());
    let shard_waker: Arc<dyn ShardWaker> = waker.clone();
    let shard = hub.log().open_shard(shard_waker.clone());
    let mut reader = Reader::join(hub, &["a"], 0, Start::Earliest).expect("joins");
    reader.session.attach_to_shard(shard);
    reader.session.register_shard(&shard_waker, 0);
    let mut seqs = probe::seqs_of(&reader.drain());
    let mut position = reader.session.seq();
    let mut batches = Vec::new();
    while seqs.last() != Some(&last) {
        hub.log().take_batches(shard, |_| false, limit, &mut batches);
        if batches.is_empty() {
            waker.wait();
        }
        for batch in batches.drain(..) {
            match batch.alignment(position) {
                Alignment::Ahead => {}
                Alignment::Aligned => {
                    seqs.extend(batch.messages().iter().map(|message| message.id.seq));
                    position = batch.last_seq();
                }
                Alignment::Diverged => {
                    reader.session.mark_delivered(position, std::time::Instant::now());
                    seqs.extend(probe::seqs_of(&reader.drain()));
                    position = reader.session.seq();
                }
            }
        }
    }
    seqs
}

#[test]
fn a_reader_on_a_shard_misses_nothing_and_reads_nothing_twice() {
    for messages in [1, 100] {
        check(move || {
            let hub = probe::memory_hub(probe::limits());
            let publishing = [publisher(&hub, 2), publisher(&hub, 2)];
            let limit = ReadLimit { messages, ..ReadLimit::default() };
            assert_eq!(read_on_shard(&hub, MESSAGES, limit), [1, 2, 3, 4]);
            publishing.into_iter().for_each(|one| one.join().expect("publishes"));
        });
    }
}
