//! Streams on every wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tricast_core::SlowReader;

use crate::settings::range::{DAY, MILLISECOND, check_time};

/// `[stream]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Stream {
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    #[serde(with = "humantime_serde")]
    pub retry: Duration,
    #[serde(with = "humantime_serde")]
    pub online_interval: Duration,
    pub slow_reader: SlowReader,
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
}

classify!(Stream {
    live: heartbeat, retry, online_interval, slow_reader;
    // Shards and sockets get it when they are created.
    restart: stall_timeout;
});

impl Stream {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_time("stream.heartbeat", self.heartbeat, 10 * MILLISECOND..=DAY)?;
        check_time("stream.retry", self.retry, MILLISECOND..=DAY)?;
        check_time("stream.online_interval", self.online_interval, MILLISECOND..=DAY)?;
        check_time("stream.stall_timeout", self.stall_timeout, 100 * MILLISECOND..=DAY)
    }
}
