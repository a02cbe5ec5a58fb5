//! Brings events to the user's own service: one batch at a time, again and again until it has arrived.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use serde::Serialize;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tricast_admission::BackendClient;
use tricast_core::Epoch;

use crate::webhook::{event::Event, queue::EventQueue};

/// The pause after a first failure, and the longest. Each is lengthened by chance, up to twice as long.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Delivers.
pub(crate) struct WebhookSender {
    pub(crate) queue: Arc<EventQueue>,
    pub(crate) backend: BackendClient,
    pub(crate) epoch: Epoch,
    pub(crate) interval: Duration,
}

/// The delivery under way. Dropped, it stops.
#[derive(Debug)]
pub(crate) struct WebhookTask {
    queue: Arc<EventQueue>,
    work: AbortOnDropHandle<()>,
    /// Nothing more will happen: what is left is tried once.
    stopping: CancellationToken,
}

#[derive(Serialize)]
struct WebhookPayload<'a> {
    epoch: &'a str,
    events: &'a [Event],
}

impl WebhookSender {
    /// Begins.
    pub(crate) fn start(self) -> WebhookTask {
        let (queue, stopping) = (self.queue.clone(), CancellationToken::new());
        let work: JoinHandle<()> = tokio::spawn(self.run(stopping.clone()));
        WebhookTask { queue, work: AbortOnDropHandle::new(work), stopping }
    }

    async fn run(self, stopping: CancellationToken) {
        loop {
            let batch = self.queue.take_batch(self.interval, &stopping).await;
            if batch.is_empty() && stopping.is_cancelled() {
                return;
            }
            if !self.send_in_parts(batch, &stopping).await {
                return;
            }
        }
    }

    /// Whether all of it has arrived. What is too large for the service goes in halves, and a single event that is
    /// is told as lost: it would keep all others from coming.
    async fn send_in_parts(&self, batch: Vec<Event>, stopping: &CancellationToken) -> bool {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.send(&part, stopping).await {
                PostResult::Delivered => self.queue.mark_delivered(&part),
                PostResult::TooLarge if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                PostResult::TooLarge => match self.queue.mark_lost(part) {
                    Some(lost) => parts.push(vec![lost]),
                    None => tracing::error!("your service takes not even a single event: 413"),
                },
                PostResult::Stopped => return false,
            }
        }
        true
    }

    async fn send(&self, events: &[Event], stopping: &CancellationToken) -> PostResult {
        let batch = WebhookPayload { epoch: self.epoch.as_str(), events };
        let body: bytes::Bytes = serde_json::to_vec(&batch).unwrap_or_default().into();
        let pauses = ExponentialBuilder::default()
            .with_min_delay(RETRY_DELAYS.0)
            .with_max_delay(RETRY_DELAYS.1)
            .without_max_times()
            .with_jitter();
        for pause in pauses.build() {
            let last = stopping.is_cancelled();
            let error = match self.backend.post(body.clone()).await {
                Ok(reply) if (200..300).contains(&reply.status) => return PostResult::Delivered,
                Ok(reply) if reply.status == 413 => return PostResult::TooLarge,
                Ok(reply) => format!("the answer is {}", reply.status),
                Err(error) => error,
            };
            self.queue.count_failure();
            tracing::warn!(error, events = events.len(), "cannot deliver events; they are kept");
            if last {
                return PostResult::Stopped;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stopping.cancelled() => {}
            }
        }
        PostResult::Stopped
    }
}

/// What became of a call.
enum PostResult {
    Delivered,
    /// It has more bytes than the service takes.
    TooLarge,
    /// Nothing is tried any more.
    Stopped,
}

impl WebhookTask {
    /// Tries what is left once more, for at most `patience`.
    pub(crate) async fn finish(mut self, max_wait: Duration) {
        self.stopping.cancel();
        // What is not done by then is dropped with it.
        let _ = timeout(max_wait, &mut self.work).await;
        let left = self.queue.discard_rest();
        if left > 0 {
            tracing::warn!(left, "events were left that nobody has taken");
        }
    }
}
