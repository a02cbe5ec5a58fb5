//! Delivers events to the user's own service: one batch at a time, with retries until it is taken.

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

/// Pause after a first failure, and the longest pause. Jitter lengthens each up to twice.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// The sender of the webhook.
pub(crate) struct WebhookSender {
    pub(crate) queue: Arc<EventQueue>,
    pub(crate) backend: BackendClient,
    pub(crate) epoch: Epoch,
    pub(crate) interval: Duration,
}

/// The running sender. Dropping this stops it.
#[derive(Debug)]
pub(crate) struct WebhookTask {
    queue: Arc<EventQueue>,
    work: AbortOnDropHandle<()>,
    /// The gateway stops: the events that are left are sent once more, without retries.
    stopping: CancellationToken,
}

#[derive(Serialize)]
struct WebhookPayload<'a> {
    epoch: &'a str,
    events: &'a [Event],
}

impl WebhookSender {
    /// Starts the task that delivers.
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

    /// Sends a batch and returns whether all of it was taken. A batch that the service refuses as
    /// too large is sent in halves. A single event that is too large is reported as lost, because
    /// it would block all later ones.
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
                    None => {
                        tracing::error!("the webhook refuses a single event as too large (413)")
                    }
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
                Ok(reply) => format!("the response status is {}", reply.status),
                Err(error) => error,
            };
            self.queue.count_failure();
            tracing::warn!(
                error,
                events = events.len(),
                "cannot deliver events; they stay in the queue"
            );
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

/// The result of sending one batch.
enum PostResult {
    Delivered,
    /// The service refuses a body of this size.
    TooLarge,
    /// The sender stops; nothing is sent any more.
    Stopped,
}

impl WebhookTask {
    /// Sends the events that are left once more, for at most `max_wait`.
    pub(crate) async fn finish(mut self, max_wait: Duration) {
        self.stopping.cancel();
        // After a timeout the task is dropped, and the rest counts as lost.
        let _ = timeout(max_wait, &mut self.work).await;
        let left = self.queue.discard_rest();
        if left > 0 {
            tracing::warn!(left, "undelivered events are lost at shutdown");
        }
    }
}
