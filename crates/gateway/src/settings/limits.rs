//! Limits of connections, memory, and requests.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use crate::settings::range::{DAY, MILLISECOND, check_size, check_time};

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Limits {
    pub connections: usize,
    pub channels: usize,
    pub channels_per_connection: usize,
    pub connections_per_address: usize,
    pub connections_per_user: usize,
    pub subscribers_per_channel: u32,
    pub message_bytes: ByteSize,
    pub body_memory: ByteSize,
    pub answer_memory: ByteSize,
    pub head_bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub overload: Duration,
}

classify!(Limits {
    live: connections, channels_per_connection, connections_per_address, connections_per_user,
        subscribers_per_channel, message_bytes, body_timeout;
    // Memory is allocated once. Sockets, and the task that measures the lag, get the others when
    // they are created.
    restart: channels, body_memory, answer_memory, head_bytes, head_timeout, overload;
});

impl Limits {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_size("limits.head_bytes", self.head_bytes, 8 << 10..=16 << 20, "")?;
        check_size("limits.message_bytes", self.message_bytes, 1..=1 << 30, "")?;
        let message = self.message_bytes.as_u64();
        let why = " (limits.message_bytes, because the largest message has to fit)";
        check_size("limits.body_memory", self.body_memory, message..=u64::MAX, why)?;
        let why = " (a page of history takes 1MiB)";
        check_size("limits.answer_memory", self.answer_memory, 2 << 20..=u64::MAX, why)?;
        check_time("limits.head_timeout", self.head_timeout, 100 * MILLISECOND..=DAY)?;
        check_time("limits.body_timeout", self.body_timeout, 100 * MILLISECOND..=DAY)?;
        check_time("limits.overload", self.overload, 10 * MILLISECOND..=DAY)
    }

    /// Returns the most bytes that the data of one message may have.
    pub fn message_bytes(&self) -> usize {
        usize::try_from(self.message_bytes.as_u64()).unwrap_or(usize::MAX)
    }
}
