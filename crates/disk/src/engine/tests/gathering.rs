//! How messages gather for the writer, and how their publishers are woken.

use std::{
    future::Future as _,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use tricast_core::{Epoch, Limits, Log, MessageId, Receipt, Ticket};

use super::world::draft;
use crate::engine::{
    pending::Settled,
    receipts::Receipts,
    sequencer::{Expected, Sequencer, Work},
    tags::LogTagger,
};

/// Nothing waits for so long unless it is not woken.
const FOR_EVER: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(60);

fn sequencer() -> Arc<Sequencer> {
    let log = Arc::new(Log::new(Epoch::begin(0), Limits::default()));
    let (tagger, receipts) = (LogTagger::new(&[7; 32]), Receipts::new(1000, 10));
    Arc::new(Sequencer::new(log, tagger, receipts, 1 << 20, (0, 0)))
}

/// Waits for a batch on another thread; tells how many messages it has.
fn wait(sequencer: &Arc<Sequencer>, expected: Expected) -> mpsc::Receiver<usize> {
    let (sender, receiver) = mpsc::channel();
    let sequencer = sequencer.clone();
    thread::spawn(move || match sequencer.wait(None, expected) {
        Work::Write(batch) => sender.send(batch.len()).expect("somebody waits"),
        _ => panic!("there is a batch"),
    });
    receiver
}

#[test]
fn a_batch_waits_for_what_is_expected_and_no_longer() {
    let sequencer = sequencer();
    let append = || drop(sequencer.append(draft("a", "x")));
    append();
    let batch = wait(&sequencer, Expected { messages: 3, within: FOR_EVER });
    append();
    assert_eq!(batch.try_recv(), Err(mpsc::TryRecvError::Empty), "one is missing");
    append();
    assert_eq!(batch.recv_timeout(DEADLINE), Ok(3));
}

#[test]
fn a_batch_goes_without_what_does_not_come() {
    let sequencer = sequencer();
    drop(sequencer.append(draft("a", "x")));
    let batch = wait(&sequencer, Expected { messages: 100, within: Duration::from_millis(40) });
    assert_eq!(batch.recv_timeout(DEADLINE), Ok(1));
    // The next message wakes the writer as ever.
    let batch = wait(&sequencer, Expected::default());
    drop(sequencer.append(draft("a", "x")));
    assert_eq!(batch.recv_timeout(DEADLINE), Ok(1));
}

#[test]
fn the_end_does_not_wait_for_what_is_expected() {
    let sequencer = sequencer();
    drop(sequencer.append(draft("a", "x")));
    let batch = wait(&sequencer, Expected { messages: 100, within: FOR_EVER });
    let _closing = sequencer.close();
    assert_eq!(batch.recv_timeout(DEADLINE), Ok(1));
}

/// Looks at the later ticket when the publisher is woken for the older one.
struct Publisher(Mutex<(Ticket, Option<bool>)>);

impl Wake for Publisher {
    fn wake(self: Arc<Self>) {
        let (later, seen) = &mut *self.0.lock().expect("nobody panicked");
        let mut cx = Context::from_waker(Waker::noop());
        *seen = Some(Pin::new(later).poll(&mut cx).is_ready());
    }
}

#[test]
fn a_publisher_that_waits_for_its_oldest_message_is_woken_when_all_have_settled() {
    let sequencer = sequencer();
    let (settlements, mut tickets): (Vec<_>, Vec<_>) = (0..2).map(|_| Ticket::open()).unzip();
    let later = tickets.pop().expect("two tickets");
    let mut oldest = tickets.pop().expect("two tickets");
    let publisher = Arc::new(Publisher(Mutex::new((later, None))));
    let waker = Waker::from(publisher.clone());
    assert!(Pin::new(&mut oldest).poll(&mut Context::from_waker(&waker)).is_pending());
    let settled = settlements.into_iter().zip(1..).map(|(settlement, seq)| {
        let id = MessageId { epoch: Epoch::begin(0), seq };
        let result = Ok(Receipt { id, subscribers: 0, duplicate: false });
        Settled { settlement, tag: None, time: 0, result }
    });
    sequencer.settle(settled.collect());
    let polled = Pin::new(&mut oldest).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(Ok(receipt)) if receipt.id.seq == 1));
    assert_eq!(publisher.0.lock().expect("nobody panicked").1, Some(true));
}
