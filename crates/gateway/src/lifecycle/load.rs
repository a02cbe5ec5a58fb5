//! Load shedding: measures the lag of the runtime and of the shards. A gateway that lags rejects
//! new work, so that the streams that are open keep up.

use std::{sync::Arc, time::Duration};

use metrics::{Gauge, Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::{Instant, sleep};
use tricast_core::{Hub, unix_millis};

/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Name of the histogram of the runtime's lag, in seconds.
pub(crate) const RUNTIME_LAG: &str = "tricast_runtime_lag_seconds";

/// Name of the histogram of the shards' lag, in seconds.
pub(crate) const DELIVERY_LAG: &str = "tricast_delivery_lag_seconds";

/// The metrics of lag and load shedding.
pub(crate) struct LoadMeters {
    runtime: Histogram,
    delivery: Histogram,
    overloaded: Gauge,
}

/// Samples the lag for as long as the gateway runs. Above `max_lag` the hub sheds load.
pub(crate) async fn monitor_lag(hub: Arc<Hub>, max_lag: Duration, meters: LoadMeters) {
    let mut load = LagState { max_lag, overloaded: false };
    loop {
        let slept = Instant::now();
        sleep(SAMPLE_INTERVAL).await;
        // A busy runtime wakes its tasks late.
        let runtime_lag = slept.elapsed().saturating_sub(SAMPLE_INTERVAL);
        let oldest = hub.log().oldest_pending();
        let delivery_lag = oldest.map_or(0, |oldest| unix_millis().saturating_sub(oldest));
        let delivery_lag = Duration::from_millis(delivery_lag);
        meters.runtime.record(runtime_lag);
        meters.delivery.record(delivery_lag);
        let lag = runtime_lag.max(delivery_lag);
        if load.update(lag) {
            hub.set_overloaded(load.overloaded);
            meters.overloaded.set(f64::from(u8::from(load.overloaded)));
            match load.overloaded {
                true => tracing::warn!(?lag, "overloaded; load shedding begins (limits.overload)"),
                false => tracing::info!("load shedding ends"),
            }
        }
    }
}

impl LoadMeters {
    pub(crate) fn new() -> Self {
        describe_histogram!(
            RUNTIME_LAG,
            Unit::Seconds,
            "Lag of the threads that open streams and accept publishes, sampled ten times a second."
        );
        describe_histogram!(
            DELIVERY_LAG,
            Unit::Seconds,
            "Age of the oldest message that a shard has not taken, sampled ten times a second."
        );
        describe_gauge!(
            "tricast_overloaded",
            "1 while the gateway lags by more than limits.overload and rejects new work."
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
struct LagState {
    max_lag: Duration,
    overloaded: bool,
}

impl LagState {
    /// Records a lag and returns whether load shedding begins or ends. It ends only at half of the
    /// lag at which it begins, so that it does not flap.
    fn update(&mut self, lag: Duration) -> bool {
        let limit = if self.overloaded { self.max_lag / 2 } else { self.max_lag };
        let was_overloaded = std::mem::replace(&mut self.overloaded, lag > limit);
        was_overloaded != self.overloaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_begins_above_the_limit_and_ends_at_half_of_it() {
        let second = Duration::from_secs(1);
        let mut load = LagState { max_lag: 4 * second, overloaded: false };
        let seen = [4, 5, 3, 2, 3, 5].map(|seconds| {
            load.update(seconds * second);
            load.overloaded
        });
        assert_eq!(seen, [false, true, true, false, false, true]);
    }
}
