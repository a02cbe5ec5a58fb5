//! The events that have not been taken for delivery: in order, and none that another has made void.

use std::collections::{HashMap, VecDeque};

use tricast_core::{ChannelName, unix_millis};

use crate::webhook::event::{Event, EventDetail};

/// About the most bytes of one batch, unless a single event has more.
const BATCH_BYTES: usize = 64 * 1024;

/// Room that is kept when nothing waits.
const KEPT_CAPACITY: usize = 64;

/// Events that wait.
#[derive(Debug, Default)]
pub(crate) struct PendingEvents {
    /// Those that have become void leave a hole, until they would have had their turn.
    events: VecDeque<Option<PendingEvent>>,
    /// How many have been before the first of `events`.
    first_number: u64,
    /// Which of them, counted from the first there ever was, is the last that says whether anybody listens to a channel.
    last_by_channel: HashMap<ChannelName, u64>,
    holes: usize,
    weight: usize,
    /// The number of the newest that was taken.
    seq: u64,
}

#[derive(Debug)]
struct PendingEvent {
    detail: EventDetail,
    /// Milliseconds since 1970.
    time: u64,
}

impl PendingEvents {
    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        self.events.len() - self.holes
    }

    /// How many of them have happened, and do not only stand for lost ones.
    pub(crate) fn real_len(&self) -> usize {
        self.events.iter().flatten().filter(|event| event.detail.is_real()).count()
    }

    /// Adds one, unless there would be more than `most` places taken; whether it did.
    pub(crate) fn push(&mut self, detail: EventDetail, capacity: usize) -> bool {
        if self.is_duplicate(&detail) || self.cancels_gone(&detail) {
            return true;
        }
        if self.weight + detail.weight() > capacity {
            match self.events.back_mut() {
                Some(Some(PendingEvent { detail: EventDetail::Lost(count), .. })) => *count += 1,
                _ => self.add(EventDetail::Lost(1)),
            }
            return false;
        }
        self.add(detail);
        true
    }

    fn add(&mut self, detail: EventDetail) {
        if let EventDetail::Online(channel) | EventDetail::Gone(channel) = &detail {
            self.last_by_channel
                .insert(channel.clone(), self.first_number + self.events.len() as u64);
        }
        self.weight += detail.weight();
        self.events.push_back(Some(PendingEvent { detail, time: unix_millis() }));
    }

    /// What waits last about the channel of `what`.
    fn last_of_channel(&mut self, detail: &EventDetail) -> Option<&mut Option<PendingEvent>> {
        let (EventDetail::Online(channel) | EventDetail::Gone(channel)) = detail else {
            return None;
        };
        let number = self.last_by_channel.get(channel)?;
        self.events.get_mut((number - self.first_number) as usize)
    }

    /// It waits already. So it is where somebody asks for one kind of events alone.
    fn is_duplicate(&mut self, detail: &EventDetail) -> bool {
        let kind = detail.kind();
        self.last_of_channel(detail)
            .and_then(|event| event.as_ref())
            .is_some_and(|event| event.detail.kind() == kind)
    }

    /// Somebody is back before it was told that the last has left: neither need be told. So whoever comes and goes
    /// all the time takes one place of the queue, and not all of them.
    fn cancels_gone(&mut self, detail: &EventDetail) -> bool {
        let EventDetail::Online(channel) = detail else { return false };
        let Some(gone) = self.last_of_channel(detail).and_then(Option::take) else { return false };
        self.last_by_channel.remove(channel);
        self.weight -= gone.detail.weight();
        self.holes += 1;
        while let Some(None) = self.events.back() {
            self.events.pop_back();
            self.holes -= 1;
        }
        true
    }

    /// Takes the next `most`, or as many as make a batch. They have their numbers from here on.
    pub(crate) fn take(&mut self, max: usize) -> Vec<Event> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < max {
            // By the bytes too: many a service takes no more than a megabyte, or a tenth of that.
            if let Some(Some(next)) = self.events.front() {
                bytes += next.detail.bytes();
                if bytes > BATCH_BYTES && !taken.is_empty() {
                    break;
                }
            }
            let Some(next) = self.events.pop_front() else { break };
            let number = self.first_number;
            self.first_number += 1;
            let Some(PendingEvent { detail, time }) = next else {
                self.holes -= 1;
                continue;
            };
            if let EventDetail::Online(channel) | EventDetail::Gone(channel) = &detail
                && self.last_by_channel.get(channel) == Some(&number)
            {
                self.last_by_channel.remove(channel);
            }
            self.weight -= detail.weight();
            self.seq += 1;
            taken.push(Event { detail, seq: self.seq, time });
        }
        if self.events.is_empty() {
            // A quiet gateway keeps no room for a storm it once had.
            self.events.shrink_to(KEPT_CAPACITY);
            self.last_by_channel.shrink_to(KEPT_CAPACITY);
        }
        taken
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        let seq = self.seq;
        *self = Self { seq, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(events: &[Event]) -> String {
        let one = |event: &Event| match &event.detail {
            EventDetail::Online(channel) => format!("{} +{channel}", event.seq),
            EventDetail::Gone(channel) => format!("{} -{channel}", event.seq),
            EventDetail::Lost(count) => format!("{} lost {count}", event.seq),
            other => panic!("{other:?}"),
        };
        events.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn push_all(pending: &mut PendingEvents, text: &str) {
        for word in text.split(' ') {
            let channel = word[1..].parse().expect("fits");
            let make = if word.starts_with('+') { EventDetail::Online } else { EventDetail::Gone };
            pending.push(make(channel), 4);
        }
    }

    #[test]
    fn a_channel_that_is_back_before_delivery_is_not_reported_gone() {
        let mut pending = PendingEvents::default();
        push_all(&mut pending, "+a");
        assert_eq!(describe(&pending.take(9)), "1 +a");
        push_all(&mut pending, "+b -a +a -a +c +a -b");
        assert_eq!(describe(&pending.take(9)), "2 +b, 3 +c, 4 -b");
        assert_eq!((pending.len(), pending.weight, pending.holes), (0, 0, 0));
        push_all(&mut pending, "-a +d +a");
        assert_eq!((pending.len(), pending.weight, pending.holes), (1, 1, 1));
        push_all(&mut pending, "-a");
        assert_eq!(describe(&pending.take(1)), "5 +d");
        push_all(&mut pending, "+a");
        assert_eq!((pending.len(), describe(&pending.take(9)).as_str()), (0, ""));
        assert_eq!((pending.last_by_channel.len(), pending.weight, pending.holes), (0, 0, 0));
    }

    /// Somebody may ask for one kind alone.
    #[test]
    fn a_pending_event_is_not_queued_twice() {
        for (text, once) in [("+a +a +a +b", "1 +a, 2 +b"), ("-a -a -b -a", "1 -a, 2 -b")] {
            let mut pending = PendingEvents::default();
            push_all(&mut pending, text);
            assert_eq!(describe(&pending.take(9)), once);
            push_all(&mut pending, &text[..2]);
            assert_eq!(pending.len(), 1, "it was taken, so it is news again");
        }
    }

    #[test]
    fn a_channel_that_flaps_evicts_no_other_event() {
        let mut pending = PendingEvents::default();
        for _ in 0..1000 {
            push_all(&mut pending, "+a -a");
        }
        push_all(&mut pending, "+b");
        assert_eq!(describe(&pending.take(9)), "1 +a, 2 -a, 3 +b");
    }
}
