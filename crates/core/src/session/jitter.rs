//! Jitter, so that readers do not act at the same moment.

use std::time::Duration;

/// Returns 80 to 100 % of `period`, so that readers that connected together do not get their
/// heartbeats together.
pub(super) fn jittered(period: Duration) -> Duration {
    period.mul_f64(0.8 + 0.2 * fastrand::f64())
}

/// Returns 50 to 150 % of `retry` in milliseconds, so that readers that were disconnected together
/// do not reconnect together.
pub fn jittered_retry(retry: Duration) -> u32 {
    retry.mul_f64(0.5 + fastrand::f64()).as_millis() as u32
}
