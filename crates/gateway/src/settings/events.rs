//! The webhook: the gateway notifies the user's own service of events.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tricast_admission::Secret;

use crate::settings::{
    endpoint::check_endpoint,
    range::{HOUR, MILLISECOND, check_time},
};

/// `[events]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Events {
    pub url: String,
    pub secret: Secret,
    pub on: Vec<EventKind>,
    pub batch: usize,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    pub queue: usize,
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// A kind of event that the service can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum EventKind {
    Connected,
    Disconnected,
    Online,
    Gone,
    Run,
}

classify!(Events {
    // The queue and the client are built with these.
    restart: url, secret, on, batch, interval, queue, timeout;
});

impl Events {
    pub(super) fn check(&self, channels_per_connection: usize) -> anyhow::Result<()> {
        check_endpoint("events", &self.url, &self.secret, self.on.is_empty())?;
        anyhow::ensure!(
            (1..=10_000).contains(&self.batch),
            "events.batch: from 1 to 10000; it is {}",
            self.batch
        );
        // One stream can take as many places as it has channels.
        let min = self.batch.max(channels_per_connection);
        anyhow::ensure!(
            (min..=10_000_000).contains(&self.queue),
            "events.queue: from {min} (events.batch, limits.channels_per_connection) to 10000000; \
             it is {}",
            self.queue
        );
        check_time("events.interval", self.interval, Duration::ZERO..=HOUR)?;
        check_time("events.timeout", self.timeout, 10 * MILLISECOND..=HOUR)
    }
}
