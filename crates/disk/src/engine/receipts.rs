//! The receipts of recent publishes, by the tag of their idempotency id, those on their way
//! included.

use std::collections::{HashMap, VecDeque};

use tricast_core::{EngineError, Receipt, Seq, Settlement, Tag, Ticket};

use crate::planted;

/// What is known of an idempotency id.
enum Known {
    /// The first publish is on its way; these repeat it.
    InFlight(Vec<Settlement>),
    Done(Receipt),
}

/// A bounded table of receipts.
pub(super) struct Receipts {
    by_tag: HashMap<Tag, Known>,
    /// Those that are done, with the time and the seq of their message.
    oldest_first: VecDeque<(u64, Tag, Seq)>,
    /// In milliseconds.
    window: u64,
    entries: usize,
}

impl Receipts {
    /// Remembers at most `entries` receipts, each for `window` milliseconds.
    pub(super) fn new(window: u64, entries: usize) -> Self {
        let (by_tag, oldest_first) = Default::default();
        Self { by_tag, oldest_first, window, entries: entries.max(1) }
    }

    /// The ticket of a message that repeats another; `None` if it is the first.
    pub(super) fn repeat(&mut self, tag: &Tag, now: u64) -> Option<Ticket> {
        while self.oldest_first.front().is_some_and(|(time, ..)| time + self.window < now) {
            self.forget_oldest();
        }
        match self.by_tag.get_mut(tag)? {
            Known::Done(first) => Some(Ticket::settled(Ok(Receipt { duplicate: true, ..*first }))),
            Known::InFlight(_) if planted::RepeatPublished.is_on() => None,
            Known::InFlight(repeats) => {
                let (settlement, ticket) = Ticket::open();
                repeats.push(settlement);
                Some(ticket)
            }
        }
    }

    /// Notes that the first publish with this id is on its way.
    pub(super) fn begin(&mut self, tag: Tag) {
        self.by_tag.insert(tag, Known::InFlight(Vec::new()));
    }

    /// Notes how the first publish has ended, and returns those that share its fate.
    pub(super) fn end(
        &mut self,
        tag: Tag,
        result: &Result<Receipt, EngineError>,
        time: u64,
    ) -> Vec<Settlement> {
        let repeats = match self.by_tag.remove(&tag) {
            Some(Known::InFlight(repeats)) => repeats,
            _ => Vec::new(),
        };
        if let Ok(receipt) = result {
            self.insert(tag, *receipt, time);
        }
        repeats
    }

    /// Forgets those that are on their way, and returns the repeats that wait for them.
    pub(super) fn end_all(&mut self) -> Vec<Settlement> {
        let mut repeats = Vec::new();
        self.by_tag.retain(|_, known| match known {
            Known::InFlight(waiting) => {
                repeats.append(waiting);
                false
            }
            Known::Done(_) => true,
        });
        repeats
    }

    /// Adds the receipt of a message that is no older than those before.
    pub(super) fn insert(&mut self, tag: Tag, receipt: Receipt, time: u64) {
        while self.oldest_first.len() >= self.entries {
            self.forget_oldest();
        }
        self.by_tag.insert(tag, Known::Done(receipt));
        self.oldest_first.push_back((time, tag, receipt.id.seq));
    }

    fn forget_oldest(&mut self) {
        let Some((_, tag, seq)) = self.oldest_first.pop_front() else { return };
        // The id may have been used again since.
        let is_same = |known: &Known| matches!(known, Known::Done(of) if of.id.seq == seq);
        if self.by_tag.get(&tag).is_some_and(is_same) {
            self.by_tag.remove(&tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future as _,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use tricast_core::{Epoch, MessageId};

    use super::*;

    fn receipt(seq: u64) -> Receipt {
        let id = MessageId { epoch: Epoch::begin(0), seq };
        Receipt { id, subscribers: 3, duplicate: false }
    }

    fn poll(ticket: &mut Ticket) -> Option<Result<Receipt, EngineError>> {
        match Pin::new(ticket).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_repeat_shares_the_fate_of_the_first_that_is_on_its_way() {
        let mut receipts = Receipts::new(100, 10);
        for result in [Ok(receipt(7)), Err(EngineError::Full)] {
            let tag = [u8::from(result.is_ok()); 16];
            assert!(receipts.repeat(&tag, 1000).is_none());
            receipts.begin(tag);
            let mut ticket = receipts.repeat(&tag, 1000).expect("a repeat");
            assert!(poll(&mut ticket).is_none());
            let repeats = receipts.end(tag, &result, 1000);
            assert_eq!(repeats.len(), 1);
            let again = receipts.repeat(&tag, 1100).map(|mut ticket| poll(&mut ticket));
            match result {
                Ok(first) => {
                    let again = again.flatten().expect("is settled").expect("was published");
                    assert_eq!((again.id, again.duplicate), (first.id, true));
                }
                Err(_) => assert!(again.is_none(), "the next is a first again"),
            }
        }
        assert!(receipts.repeat(&[1; 16], 1101).is_none(), "its window is over");
    }

    #[test]
    fn a_repeat_does_not_wait_for_a_first_that_nobody_settles_any_more() {
        let mut receipts = Receipts::new(100, 10);
        receipts.insert([1; 16], receipt(7), 1000);
        receipts.begin([2; 16]);
        let mut ticket = receipts.repeat(&[2; 16], 1000).expect("a repeat");
        assert!(poll(&mut ticket).is_none());
        assert_eq!(receipts.end_all().len(), 1);
        let settled = poll(&mut ticket).expect("is settled");
        assert!(matches!(settled, Err(EngineError::Unknown(_))), "{settled:?}");
        assert!(receipts.repeat(&[1; 16], 1000).is_some(), "what is done is known still");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut receipts = Receipts::new(1000, 3);
        (1..=10).for_each(|seq| receipts.insert([seq as u8; 16], receipt(seq), seq));
        assert_eq!((receipts.by_tag.len(), receipts.oldest_first.len()), (3, 3));
        assert!(receipts.repeat(&[10; 16], 10).is_some());
        assert!(receipts.repeat(&[7; 16], 10).is_none());
    }
}
