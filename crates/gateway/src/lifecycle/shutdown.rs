//! How a gateway goes down without a loss.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tricast_core::{CloseReason, Farewell, jittered_retry};

use crate::{
    lifecycle::{gateway::Gateway, handover::Successor},
    net::Door,
};

/// How often goodbyes leave while draining.
const FAREWELL_STEP: Duration = Duration::from_millis(20);

/// How long connections that are kept open have to be told, with an answer, that the next request belongs on another one.
const TURNING: Duration = Duration::from_millis(100);

impl Gateway {
    /// Goes down for `successor`, which accepts connections as soon as nothing new gets into the log of this one. As
    /// [`shut_down`](Self::shut_down) for the rest.
    pub async fn retire(self, successor: Successor) -> bool {
        self.app.leaving.cancel();
        self.doors.iter().for_each(Door::leave_to_others);
        sleep(TURNING).await;
        self.go_down(Some(successor)).await
    }

    /// Goes down in order: nobody new joins, everybody is told goodbye, work under way is
    /// finished. Returns `false` when something was left after the grace time.
    pub async fn shut_down(self) -> bool {
        self.app.leaving.cancel();
        sleep(self.app.settings().shutdown.delay).await;
        if self.doors.iter().any(Door::is_shared) {
            // Who comes waits for whoever is given the socket next.
            self.doors.iter().filter(|door| door.is_shared()).for_each(Door::leave_to_others);
            sleep(TURNING).await;
        }
        self.go_down(None).await
    }

    async fn go_down(mut self, successor: Option<Successor>) -> bool {
        let grace = self.app.settings().shutdown.grace;
        let end = Instant::now() + grace;
        // The last words take some of the time too.
        let words = if self.deliveries.is_some() { grace / 10 } else { Duration::ZERO };
        let deadline = end - words;
        let farewells = self.app.hub.drain();
        self.app.draining.cancel();
        if let Some(successor) = successor {
            successor.take_your_turn();
        }
        self.say_goodbye(farewells, grace / 2).await;
        while self.app.hub.connections() > 0 && Instant::now() < deadline {
            sleep(FAREWELL_STEP).await;
        }
        // They would keep open what the doors close.
        self.copies.clear();
        Door::close(std::mem::take(&mut self.doors), deadline.into_std()).await;
        self.stop.cancel();
        self.app.tasks.close();
        let done = timeout_at(deadline, self.app.tasks.wait()).await.is_ok();
        if !done {
            let left = self.app.tasks.len();
            tracing::warn!(left, "the grace time is over; cutting what is left");
        }
        if let Some(deliveries) = self.deliveries.take() {
            // Whoever is cut has gone, too.
            self.shards = None;
            deliveries.finish(end.saturating_duration_since(Instant::now())).await;
        }
        done
    }

    /// In a random order, spread over `spread`, so that the clients do not come back all at once.
    async fn say_goodbye(&self, mut farewells: Vec<Farewell>, spread: Duration) {
        tracing::info!(connections = farewells.len(), "draining");
        fastrand::shuffle(&mut farewells);
        let steps = (spread.as_millis() / FAREWELL_STEP.as_millis()).max(1) as usize;
        let each = farewells.len().div_ceil(steps).max(1);
        while !farewells.is_empty() {
            for farewell in farewells.drain(..each.min(farewells.len())) {
                farewell.say(CloseReason::Draining, jittered_retry(self.app.live().pace.retry));
            }
            sleep(FAREWELL_STEP).await;
        }
    }
}
