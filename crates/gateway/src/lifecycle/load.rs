//! Load shedding: measures the lag of the runtime and of the shards. A gateway that lags rejects
//! new work, so that the streams that are open keep up. Time in which the process was stopped is
//! no lag.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use metrics::{Gauge, Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::{Instant, sleep};
use tricast_core::{Hub, unix_millis};

use crate::lifecycle::awake_clock::{TICK, awake_time};

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
    let mut samples = Samples::new(max_lag);
    loop {
        let (slept, awake_before) = (Instant::now(), awake_time());
        sleep(SAMPLE_INTERVAL).await;
        // A busy runtime wakes its tasks late.
        let elapsed = slept.elapsed().min(awake_between(awake_before, awake_time()));
        let runtime_lag = elapsed.saturating_sub(SAMPLE_INTERVAL);
        let now = Sample { unix_millis: unix_millis(), awake: awake_time() };
        let oldest = hub.log().oldest_pending();
        let delivery_lag = oldest.map_or(Duration::ZERO, |oldest| samples.age(oldest, now));
        samples.push(now);
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

/// Returns the most that the process can have run between two readings of its clock.
fn awake_between(before: Option<Duration>, after: Option<Duration>) -> Duration {
    match (before, after) {
        (Some(before), Some(after)) => after.saturating_sub(before) + TICK,
        _ => Duration::MAX,
    }
}

/// Readings of both clocks at one time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    unix_millis: u64,
    awake: Option<Duration>,
}

/// The latest samples. They convert the time of a message, which is by the wall clock, to the time
/// that the process has run since: neither a stopped process nor a wall clock that is set makes a
/// message wait longer.
#[derive(Debug)]
struct Samples {
    kept: VecDeque<Sample>,
    /// Least wall time between two samples that are kept.
    spacing: u64,
}

impl Samples {
    const KEPT_MAX: usize = 1024;

    /// Keeps samples for twice `max_lag`, and for a minute at least.
    fn new(max_lag: Duration) -> Self {
        let horizon = (2 * max_lag.min(Duration::from_secs(86_400))).max(Duration::from_secs(60));
        let spacing = horizon.as_millis() as u64 / Self::KEPT_MAX as u64;
        Self { kept: VecDeque::new(), spacing }
    }

    fn push(&mut self, sample: Sample) {
        match self.kept.back() {
            // The wall clock was set back: earlier samples say nothing of later messages.
            Some(last) if sample.unix_millis < last.unix_millis => self.kept.clear(),
            Some(last) if sample.unix_millis - last.unix_millis < self.spacing => return,
            _ => {}
        }
        if self.kept.len() >= Self::KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(sample);
    }

    /// Returns the age of a message of this time.
    fn age(&self, message_millis: u64, now: Sample) -> Duration {
        let age = Duration::from_millis(now.unix_millis.saturating_sub(message_millis));
        let before = self.kept.iter().rev().find(|sample| sample.unix_millis <= message_millis);
        before.map_or(age, |before| age.min(awake_between(before.awake, now.awake)))
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

    const SECOND: Duration = Duration::from_secs(1);

    fn sample(unix_seconds: u64, awake_seconds: u32) -> Sample {
        Sample { unix_millis: unix_seconds * 1000, awake: Some(awake_seconds * SECOND) }
    }

    #[test]
    fn a_message_does_not_age_while_the_process_is_stopped() {
        let mut samples = Samples::new(5 * SECOND);
        samples.push(sample(100, 10));
        samples.push(sample(101, 11));
        // Published at 100.5; the process was then stopped for an hour.
        assert_eq!(samples.age(100_500, sample(3701, 11)), SECOND + TICK);
        // It ran on, and did not deliver.
        assert_eq!(samples.age(101_000, sample(107, 17)), 6 * SECOND);
        // Published before the first sample: only the wall clock knows.
        assert_eq!(samples.age(99_000, sample(107, 17)), 8 * SECOND);
    }

    #[test]
    fn a_wall_clock_that_is_set_makes_no_lag() {
        let mut samples = Samples::new(5 * SECOND);
        samples.push(sample(5000, 10));
        assert_eq!(samples.age(5_000_500, sample(8601, 11)), SECOND + TICK, "forward");
        samples.push(sample(1000, 12));
        assert_eq!(samples.age(1_000_500, sample(1007, 19)), 6500 * SECOND / 1000, "back");
    }

    #[test]
    fn samples_are_bounded() {
        let mut samples = Samples::new(3600 * SECOND);
        (0..100_000).for_each(|second| samples.push(sample(second, second as u32)));
        assert!(samples.kept.len() <= Samples::KEPT_MAX);
        let oldest = samples.kept.front().expect("some").unix_millis;
        assert!(oldest <= (100_000 - 7000) * 1000, "{oldest}");
    }
}
