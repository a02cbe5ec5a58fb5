//! Whether the gateway keeps up: how late the runtime and the shards are. Who is late begins nothing new, so that
//! those who are here get what they are owed.

use std::{sync::Arc, time::Duration};

use metrics::{Gauge, Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::{Instant, sleep};
use tricast_core::{Hub, unix_millis};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The name of the histogram of how late the runtime is, in seconds.
pub(crate) const RUNTIME_LAG: &str = "tricast_runtime_lag_seconds";

/// The name of the histogram of how late the shards are, in seconds.
pub(crate) const DELIVERY_LAG: &str = "tricast_delivery_lag_seconds";

/// What is seen at each look.
pub(crate) struct LoadMeters {
    runtime: Histogram,
    delivery: Histogram,
    overloaded: Gauge,
}

/// Looks for as long as the gateway lives. `most` is how late it may be.
pub(crate) async fn watch(hub: Arc<Hub>, most: Duration, meters: LoadMeters) {
    let mut load = Load { most, overloaded: false };
    loop {
        let slept = Instant::now();
        sleep(LOOK).await;
        // A runtime that is busy comes back late.
        let runtime = slept.elapsed().saturating_sub(LOOK);
        let oldest = hub.log().oldest_news();
        let shards = oldest.map_or(0, |oldest| unix_millis().saturating_sub(oldest));
        let shards = Duration::from_millis(shards);
        meters.runtime.record(runtime);
        meters.delivery.record(shards);
        let late = runtime.max(shards);
        if load.changes(late) {
            hub.set_overloaded(load.overloaded);
            meters.overloaded.set(f64::from(u8::from(load.overloaded)));
            match load.overloaded {
                true => tracing::warn!(?late, "overloaded: nothing new is begun (limits.overload)"),
                false => tracing::info!("no longer overloaded"),
            }
        }
    }
}

impl LoadMeters {
    pub(crate) fn new() -> Self {
        describe_histogram!(
            RUNTIME_LAG,
            Unit::Seconds,
            "How late the threads are that open streams and take publishes, looked at ten times a second."
        );
        describe_histogram!(
            DELIVERY_LAG,
            Unit::Seconds,
            "Age of the oldest message that a delivering thread has yet to look at, ten times a second."
        );
        describe_gauge!(
            "tricast_overloaded",
            "1 while the gateway is late by more than limits.overload, and begins nothing new."
        );
        Self {
            runtime: histogram!(RUNTIME_LAG),
            delivery: histogram!(DELIVERY_LAG),
            overloaded: gauge!("tricast_overloaded"),
        }
    }
}

impl std::fmt::Debug for LoadMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoadMeters")
    }
}

#[derive(Debug)]
struct Load {
    most: Duration,
    overloaded: bool,
}

impl Load {
    /// Whether that is a change. It is over only at half of what began it, so that it does not flicker.
    fn changes(&mut self, late: Duration) -> bool {
        let limit = if self.overloaded { self.most / 2 } else { self.most };
        let was = std::mem::replace(&mut self.overloaded, late > limit);
        was != self.overloaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_above_the_limit_and_ends_at_its_half() {
        let second = Duration::from_secs(1);
        let mut load = Load { most: 4 * second, overloaded: false };
        let seen = [4, 5, 3, 2, 3, 5].map(|late| {
            load.changes(late * second);
            load.overloaded
        });
        assert_eq!(seen, [false, true, true, false, false, true]);
    }
}
