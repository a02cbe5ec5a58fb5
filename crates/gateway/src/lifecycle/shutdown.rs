//! How a gateway goes down without a loss.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tricast_core::{CloseHandle, CloseReason, jittered_retry};
use tricast_net::Acceptor;

use crate::lifecycle::{gateway::Gateway, handover::Successor};

/// How often goodbyes leave while draining.
const GOODBYE_INTERVAL: Duration = Duration::from_millis(20);

/// How long connections that are kept open have to be told, with an answer, that the next request belongs on another one.
const KEEP_ALIVE_DRAIN: Duration = Duration::from_millis(100);

impl Gateway {
    /// Goes down for `successor`, which accepts connections as soon as nothing new gets into the log of this one. As
    /// [`shut_down`](Self::shut_down) for the rest.
    pub async fn hand_over_and_stop(self, successor: Successor) -> bool {
        self.app.not_ready.cancel();
        self.acceptors.iter().for_each(Acceptor::stop_accepting);
        sleep(KEEP_ALIVE_DRAIN).await;
        self.drain_and_stop(Some(successor)).await
    }

    /// Goes down in order: nobody new joins, everybody is told goodbye, work under way is
    /// finished. Returns `false` when something was left after the grace time.
    pub async fn shutdown(self) -> bool {
        self.app.not_ready.cancel();
        sleep(self.app.settings().shutdown.delay).await;
        if self.acceptors.iter().any(Acceptor::is_shared) {
            // Who comes waits for whoever is given the socket next.
            self.acceptors
                .iter()
                .filter(|acceptor| acceptor.is_shared())
                .for_each(Acceptor::stop_accepting);
            sleep(KEEP_ALIVE_DRAIN).await;
        }
        self.drain_and_stop(None).await
    }

    async fn drain_and_stop(mut self, successor: Option<Successor>) -> bool {
        let grace = self.app.settings().shutdown.grace;
        let end = Instant::now() + grace;
        // The last words take some of the time too.
        let webhook_grace = if self.webhook_task.is_some() { grace / 10 } else { Duration::ZERO };
        let deadline = end - webhook_grace;
        let close_handles = self.app.hub.drain();
        self.app.draining.cancel();
        if let Some(successor) = successor {
            successor.start_accepting();
        }
        self.send_goodbyes(close_handles, grace / 2).await;
        while self.app.hub.connection_count() > 0 && Instant::now() < deadline {
            sleep(GOODBYE_INTERVAL).await;
        }
        // They would keep open what the doors close.
        self.handover_sockets.clear();
        Acceptor::close(std::mem::take(&mut self.acceptors), deadline.into_std()).await;
        self.stop.cancel();
        self.app.tasks.close();
        let done = timeout_at(deadline, self.app.tasks.wait()).await.is_ok();
        if !done {
            let left = self.app.tasks.len();
            tracing::warn!(left, "the grace time is over; cutting what is left");
        }
        if let Some(webhook_task) = self.webhook_task.take() {
            // Whoever is cut has gone, too.
            self.shards = None;
            webhook_task.finish(end.saturating_duration_since(Instant::now())).await;
        }
        done
    }

    /// In a random order, spread over `spread`, so that the clients do not come back all at once.
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
