//! Connection draining: how a gateway shuts down without losing a message.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tricast_core::{CloseHandle, CloseReason, jittered_retry};
use tricast_llm::Runs;
use tricast_net::Acceptor;

use crate::lifecycle::{gateway::Gateway, handover::Successor};

/// Pause between two batches of goodbyes while draining.
const GOODBYE_INTERVAL: Duration = Duration::from_millis(20);

/// Time for keep-alive connections to receive `Connection: close` with a response before the
/// listening sockets close.
const KEEP_ALIVE_DRAIN: Duration = Duration::from_millis(100);

impl Gateway {
    /// Shuts down in favour of `successor`, which accepts connections as soon as this gateway's log
    /// takes no more messages. Otherwise the same as [`shutdown`](Self::shutdown).
    pub async fn hand_over_and_stop(self, successor: &Successor) -> bool {
        // Answers end here, because the log of the successor is another one. Until then this
        // gateway serves everybody.
        self.runs().drain(self.app.settings().shutdown.grace).await;
        self.app.not_ready.cancel();
        self.acceptors.iter().for_each(Acceptor::stop_accepting);
        sleep(KEEP_ALIVE_DRAIN).await;
        self.drain_and_stop(Some(successor)).await
    }

    /// Shuts down gracefully: accepts no new streams, sends every stream a goodbye, and finishes
    /// the requests in progress. Returns `false` if some were left after `shutdown.grace`.
    pub async fn shutdown(self) -> bool {
        self.app.not_ready.cancel();
        sleep(self.app.settings().shutdown.delay).await;
        if self.acceptors.iter().any(Acceptor::is_shared) {
            // New connections wait in the socket's queue for the next process that accepts from it.
            self.acceptors
                .iter()
                .filter(|acceptor| acceptor.is_shared())
                .for_each(Acceptor::stop_accepting);
            sleep(KEEP_ALIVE_DRAIN).await;
        }
        self.drain_and_stop(None).await
    }

    async fn drain_and_stop(mut self, successor: Option<&Successor>) -> bool {
        let grace = self.app.settings().shutdown.grace;
        let end = Instant::now() + grace;
        // The last messages of answers have to get into the log, and to their readers.
        self.runs().drain(grace / 2).await;
        // The webhook needs some of the time for the last events.
        let webhook_grace = if self.webhook_task.is_some() { grace / 10 } else { Duration::ZERO };
        let deadline = end - webhook_grace;
        let close_handles = self.app.hub.drain();
        self.app.draining.cancel();
        match timeout_at(deadline, self.app.hub.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the log was not closed"),
            Err(_) => tracing::error!("the log was not closed in time: its disk does not answer"),
        }
        if let Some(successor) = successor {
            successor.start_accepting();
        }
        // Answers that had to end may have taken some of the time.
        let left = deadline.saturating_duration_since(Instant::now());
        self.send_goodbyes(close_handles, (left / 2).min(grace / 2)).await;
        while self.app.hub.connection_count() > 0 && Instant::now() < deadline {
            sleep(GOODBYE_INTERVAL).await;
        }
        // These duplicates would keep the sockets open that the acceptors close.
        self.handover_sockets.clear();
        Acceptor::close(std::mem::take(&mut self.acceptors), deadline.into_std()).await;
        self.stop.cancel();
        self.app.tasks.close();
        let done = timeout_at(deadline, self.app.tasks.wait()).await.is_ok();
        if !done {
            let left = self.app.tasks.len();
            tracing::warn!(left, "shutdown grace elapsed; closing the remaining connections");
        }
        if let Some(webhook_task) = self.webhook_task.take() {
            // Streams that the shards close now are events, too.
            self.shards = None;
            webhook_task.finish(end.saturating_duration_since(Instant::now())).await;
        }
        done
    }

    fn runs(&self) -> Runs {
        self.app.live().relay.runs.clone()
    }

    /// Sends goodbyes in a random order and spread over `spread`, so that the clients do not all
    /// reconnect at the same time.
    async fn send_goodbyes(&self, mut close_handles: Vec<CloseHandle>, spread: Duration) {
        tracing::info!(connections = close_handles.len(), "draining");
        fastrand::shuffle(&mut close_handles);
        let steps = (spread.as_millis() / GOODBYE_INTERVAL.as_millis()).max(1) as usize;
        let each = close_handles.len().div_ceil(steps).max(1);
        while !close_handles.is_empty() {
            for close_handle in close_handles.drain(..each.min(close_handles.len())) {
                close_handle.close(
                    CloseReason::Draining,
                    jittered_retry(self.app.live().session_config.retry),
                );
            }
            sleep(GOODBYE_INTERVAL).await;
        }
    }
}
