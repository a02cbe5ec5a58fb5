//! Brings events to the user's own service: one batch at a time, again and again until it has arrived.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use serde::Serialize;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tricast_admission::Backend;
use tricast_core::Epoch;

use crate::webhook::{event::Event, queue::Queue};

/// The pause after a first failure, and the longest. Each is lengthened by chance, up to twice as long.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Delivers.
pub(crate) struct Courier {
    pub(crate) queue: Arc<Queue>,
    pub(crate) backend: Backend,
    pub(crate) epoch: Epoch,
    pub(crate) interval: Duration,
}

/// The delivery under way. Dropped, it stops.
#[derive(Debug)]
pub(crate) struct Deliveries {
    queue: Arc<Queue>,
    work: AbortOnDropHandle<()>,
    /// Nothing more will happen: what is left is tried once.
    over: CancellationToken,
}

#[derive(Serialize)]
struct Batch<'a> {
    epoch: &'a str,
    events: &'a [Event],
}

impl Courier {
    /// Begins.
    pub(crate) fn start(self) -> Deliveries {
        let (queue, over) = (self.queue.clone(), CancellationToken::new());
        let work: JoinHandle<()> = tokio::spawn(self.run(over.clone()));
        Deliveries { queue, work: AbortOnDropHandle::new(work), over }
    }

    async fn run(self, over: CancellationToken) {
        loop {
            let batch = self.queue.take(self.interval, &over).await;
            if batch.is_empty() && over.is_cancelled() {
                return;
            }
            if !self.deliver_in_parts(batch, &over).await {
                return;
            }
        }
    }

    /// Whether all of it has arrived. What is too large for the service goes in halves, and a single event that is
    /// is told as lost: it would keep all others from coming.
    async fn deliver_in_parts(&self, batch: Vec<Event>, over: &CancellationToken) -> bool {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.deliver(&part, over).await {
                Delivery::Arrived => self.queue.arrived(&part),
                Delivery::TooLarge if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Delivery::TooLarge => match self.queue.lose(part) {
                    Some(lost) => parts.push(vec![lost]),
                    None => tracing::error!("your service takes not even a single event: 413"),
                },
                Delivery::Over => return false,
            }
        }
        true
    }

    async fn deliver(&self, events: &[Event], over: &CancellationToken) -> Delivery {
        let batch = Batch { epoch: self.epoch.as_str(), events };
        let body: bytes::Bytes = serde_json::to_vec(&batch).unwrap_or_default().into();
        let pauses = ExponentialBuilder::default()
            .with_min_delay(PAUSES.0)
            .with_max_delay(PAUSES.1)
            .without_max_times()
            .with_jitter();
        for pause in pauses.build() {
            let last = over.is_cancelled();
            let error = match self.backend.post(body.clone()).await {
                Ok(reply) if (200..300).contains(&reply.status) => return Delivery::Arrived,
                Ok(reply) if reply.status == 413 => return Delivery::TooLarge,
                Ok(reply) => format!("the answer is {}", reply.status),
                Err(error) => error,
            };
            self.queue.failed();
            tracing::warn!(error, events = events.len(), "cannot deliver events; they are kept");
            if last {
                return Delivery::Over;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = over.cancelled() => {}
            }
        }
        Delivery::Over
    }
}

/// What became of a call.
enum Delivery {
    Arrived,
    /// It has more bytes than the service takes.
    TooLarge,
    /// Nothing is tried any more.
    Over,
}

impl Deliveries {
    /// Tries what is left once more, for at most `patience`.
    pub(crate) async fn finish(mut self, patience: Duration) {
        self.over.cancel();
        // What is not done by then is dropped with it.
        let _ = timeout(patience, &mut self.work).await;
        let left = self.queue.give_up();
        if left > 0 {
            tracing::warn!(left, "events were left that nobody has taken");
        }
    }
}
