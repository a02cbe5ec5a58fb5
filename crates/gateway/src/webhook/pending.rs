//! The events that wait to be taken for delivery: in order, without those that a later event
//! has made void.

use std::collections::{HashMap, VecDeque};

use tricast_core::{ChannelName, unix_millis};

use crate::webhook::event::{Event, EventDetail};

/// Approximate limit of a batch in bytes, unless a single event exceeds it.
const BATCH_BYTES: usize = 64 * 1024;

/// Capacity that an empty queue keeps.
const KEPT_CAPACITY: usize = 64;

/// A queue of events.
#[derive(Debug, Default)]
pub(crate) struct PendingEvents {
    /// An event that has become void leaves a hole until its turn.
    events: VecDeque<Option<PendingEvent>>,
    /// Number of the first of `events`, counted from the first event ever.
    first_number: u64,
    /// Number of the last `online` or `gone` event of each channel.
    last_by_channel: HashMap<ChannelName, u64>,
    holes: usize,
    weight: usize,
    /// `seq` of the newest event that was taken.
    seq: u64,
}

#[derive(Debug)]
struct PendingEvent {
    detail: EventDetail,
    /// Milliseconds since 1970-01-01 UTC.
    time: u64,
}

impl PendingEvents {
    /// Returns the number of events.
    pub(crate) fn len(&self) -> usize {
        self.events.len() - self.holes
    }

    /// Returns the number of events without those that report lost ones.
    pub(crate) fn real_len(&self) -> usize {
        self.events.iter().flatten().filter(|event| event.detail.is_real()).count()
    }

    /// Adds an event, unless the queue would be heavier than `capacity`: then counts it as lost and
    /// returns `false`.
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

    /// Returns the last event of the channel that `detail` is about.
    fn last_of_channel(&mut self, detail: &EventDetail) -> Option<&mut Option<PendingEvent>> {
        let (EventDetail::Online(channel) | EventDetail::Gone(channel)) = detail else {
            return None;
        };
        let number = self.last_by_channel.get(channel)?;
        self.events.get_mut((number - self.first_number) as usize)
    }

    /// Returns whether the same event waits already, as happens where the settings ask for only one
    /// of `online` and `gone`.
    fn is_duplicate(&mut self, detail: &EventDetail) -> bool {
        let kind = detail.kind();
        self.last_of_channel(detail)
            .and_then(|event| event.as_ref())
            .is_some_and(|event| event.detail.kind() == kind)
    }

    /// Removes a `gone` that waits if its channel is `online` again, and returns whether it did:
    /// then neither needs to be reported. So a channel that flaps takes one place of the queue.
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

    /// Takes the next batch of at most `max` events, and numbers them.
    pub(crate) fn take(&mut self, max: usize) -> Vec<Event> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < max {
            // Many services limit request bodies to 1 MB, or to 100 KB.
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
            // An idle gateway does not keep the memory of an earlier burst.
            self.events.shrink_to(KEPT_CAPACITY);
            self.last_by_channel.shrink_to(KEPT_CAPACITY);
        }
        taken
    }

    /// Removes all events.
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

    /// Settings may ask for one kind alone.
    #[test]
    fn a_pending_event_is_not_queued_twice() {
        for (text, once) in [("+a +a +a +b", "1 +a, 2 +b"), ("-a -a -b -a", "1 -a, 2 -b")] {
            let mut pending = PendingEvents::default();
            push_all(&mut pending, text);
            assert_eq!(describe(&pending.take(9)), once);
            push_all(&mut pending, &text[..2]);
            assert_eq!(pending.len(), 1, "a taken event no longer counts as a duplicate");
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
