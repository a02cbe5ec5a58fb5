//! The event queue: bounded, ordered, numbered. Events that do not fit are counted in their place.

use std::time::Duration;

use metrics::{Counter, counter, describe_counter};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;
use tricast_core::{ChannelName, OccupancyObserver};

use crate::{
    settings::EventKind,
    webhook::{
        event::{Event, EventDetail},
        pending::PendingEvents,
    },
};

/// The events that wait for delivery.
#[derive(Debug)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    /// Notified of the first event and of a full batch.
    wake: Notify,
    kinds: Vec<EventKind>,
    batch: usize,
    capacity: usize,
    meters: EventMeters,
}

#[derive(Debug, Default)]
struct State {
    pending: PendingEvents,
    last_connection: u64,
    /// Events that the sender has taken and the service has not confirmed.
    in_flight: usize,
}

/// The metrics of events.
pub(crate) struct EventMeters {
    delivered: Counter,
    failed: Counter,
    lost: Counter,
}

impl EventQueue {
    /// Creates a queue of `capacity` for events of `kinds`, delivered in batches of at most
    /// `batch`.
    pub(crate) fn new(
        kinds: Vec<EventKind>,
        batch: usize,
        capacity: usize,
        meters: EventMeters,
    ) -> Self {
        let state = Mutex::default();
        Self { state, wake: Notify::new(), kinds, batch, capacity, meters }
    }

    /// Returns whether the settings ask for events of `kind`.
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Returns a number that no other stream has.
    pub(crate) fn next_connection(&self) -> u64 {
        let mut state = self.state.lock();
        state.last_connection += 1;
        state.last_connection
    }

    /// Queues an event that happens now. Returns quickly, because the caller may hold a lock.
    pub(crate) fn record(&self, detail: EventDetail) {
        if detail.kind().is_some_and(|kind| !self.wants(kind)) {
            return;
        }
        let pending = &mut self.state.lock().pending;
        let before = pending.len();
        if !pending.push(detail, self.capacity) {
            self.meters.lost.increment(1);
        }
        let count = pending.len();
        if count > before && (count == 1 || count == self.batch) {
            self.wake.notify_one();
        }
    }

    /// Waits for the next batch and takes it: a full one, or what is there `interval` after its
    /// first event. Once `stopping` is cancelled, takes what is there, which may be nothing.
    pub(crate) async fn take_batch(
        &self,
        interval: Duration,
        stopping: &CancellationToken,
    ) -> Vec<Event> {
        while !stopping.is_cancelled() && self.len() == 0 {
            tokio::select! {
                () = self.wake.notified() => {}
                () = stopping.cancelled() => {}
            }
        }
        let full_batch = async {
            while self.len() < self.batch {
                self.wake.notified().await;
            }
        };
        tokio::select! {
            _ = timeout(interval, full_batch) => {}
            () = stopping.cancelled() => {}
        }
        let mut state = self.state.lock();
        let taken = state.pending.take(self.batch);
        state.in_flight = taken.iter().filter(|event| event.detail.is_real()).count();
        taken
    }

    fn len(&self) -> usize {
        self.state.lock().pending.len()
    }

    /// Records that the service has taken `events`.
    pub(crate) fn mark_delivered(&self, events: &[Event]) {
        let real = events.iter().filter(|event| event.detail.is_real()).count();
        self.state.lock().in_flight -= real;
        self.meters.delivered.increment(events.len() as u64);
    }

    /// Records that the only event of `part` cannot be delivered. Returns the event that reports
    /// the loss in its place, unless it is one already.
    pub(crate) fn mark_lost(&self, mut part: Vec<Event>) -> Option<Event> {
        let event = part.pop().filter(|event| event.detail.is_real())?;
        self.state.lock().in_flight -= 1;
        self.meters.lost.increment(1);
        Some(Event { detail: EventDetail::Lost(1), ..event })
    }

    /// Counts a failed attempt to deliver a batch.
    pub(crate) fn count_failure(&self) {
        self.meters.failed.increment(1);
    }

    /// Discards all events that are left, and returns their number.
    pub(crate) fn discard_rest(&self) -> u64 {
        let mut state = self.state.lock();
        let left = state.in_flight + state.pending.real_len();
        state.pending.clear();
        self.meters.lost.increment(left as u64);
        left as u64
    }
}

impl OccupancyObserver for EventQueue {
    fn occupied(&self, channel: &ChannelName) {
        // Readers of a presence channel are not reported.
        if !channel.is_presence() {
            self.record(EventDetail::Online(channel.clone()));
        }
    }

    fn vacated(&self, channel: &ChannelName) {
        if !channel.is_presence() {
            self.record(EventDetail::Gone(channel.clone()));
        }
    }
}

impl EventMeters {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "tricast_events_delivered_total",
            "Events that your service has confirmed."
        );
        describe_counter!(
            "tricast_events_failed_batches_total",
            "Failed attempts to deliver a batch of events."
        );
        describe_counter!(
            "tricast_events_lost_total",
            "Events that did not fit in events.queue, or were left at shutdown."
        );
        Self {
            delivered: counter!("tricast_events_delivered_total"),
            failed: counter!("tricast_events_failed_batches_total"),
            lost: counter!("tricast_events_lost_total"),
        }
    }
}

impl std::fmt::Debug for EventMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventMeters")
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn queue(batch: usize, capacity: usize) -> EventQueue {
        EventQueue::new(vec![EventKind::Online], batch, capacity, EventMeters::new())
    }

    fn online(queue: &EventQueue, name: &str) {
        queue.occupied(&name.parse().expect("fits"));
    }

    fn describe(events: &[Event]) -> String {
        let one = |event: &Event| match &event.detail {
            EventDetail::Online(channel) => format!("{} {channel}", event.seq),
            EventDetail::Lost(count) => format!("{} lost {count}", event.seq),
            other => panic!("{other:?}"),
        };
        events.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_where_it_is_missing() {
        let (queue, stopping) = (queue(2, 3), CancellationToken::new());
        for name in ["a", "b", "c", "d", "e"] {
            online(&queue, name);
        }
        let hour = Duration::from_secs(3600);
        assert_eq!(describe(&queue.take_batch(hour, &stopping).await), "1 a, 2 b");
        online(&queue, "f");
        assert_eq!(describe(&queue.take_batch(hour, &stopping).await), "3 c, 4 lost 2");
        for name in ["g", "h", "i"] {
            online(&queue, name);
        }
        assert_eq!(describe(&queue.take_batch(hour, &stopping).await), "5 f, 6 g");
        assert_eq!(
            queue.discard_rest(),
            3,
            "two are away, h waits; i was counted when it was lost"
        );
        queue.vacated(&"a".parse().expect("fits"));
        stopping.cancel();
        assert!(queue.take_batch(hour, &stopping).await.is_empty(), "not wanted");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_leaves_when_it_is_whole_or_has_waited() {
        let (queue, stopping) = (queue(2, 10), CancellationToken::new());
        let (interval, began) = (Duration::from_secs(1), tokio::time::Instant::now());
        online(&queue, "a");
        assert_eq!(describe(&queue.take_batch(interval, &stopping).await), "1 a");
        assert_eq!(began.elapsed(), interval);
        let recorded = async {
            for name in ["b", "c", "d"] {
                sleep(interval / 10).await;
                online(&queue, name);
            }
        };
        let (batch, ()) = tokio::join!(queue.take_batch(interval, &stopping), recorded);
        assert_eq!(describe(&batch), "2 b, 3 c");
        assert!(began.elapsed() < 2 * interval, "it did not wait for more");
    }
}
