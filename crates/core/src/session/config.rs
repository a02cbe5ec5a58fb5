//! The timing and the limits of sessions.

use std::time::Duration;

use crate::ReadLimit;

/// The timing and the limits of sessions. The default is that of the gateway's settings.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The longest silence on a stream.
    pub heartbeat: Duration,
    /// How long a client should wait before it reconnects, on average.
    pub retry: Duration,
    /// The least time between two changes of the online counts.
    pub online_interval: Duration,
    /// How long before a stream expires its reader is warned.
    pub expiry_warning: Duration,
    /// The most of a backlog that is read at once.
    pub read_limit: ReadLimit,
    /// The most channels that a reader may ask for.
    pub max_channels: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_secs(2),
            online_interval: Duration::from_millis(250),
            expiry_warning: Duration::from_secs(10),
            read_limit: ReadLimit::default(),
            max_channels: 100,
        }
    }
}

impl SessionConfig {
    /// Sets the longest silence on a stream.
    pub fn with_heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// Sets how long a client should wait before it reconnects, on average.
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the least time between two changes of the online counts.
    pub fn with_online_interval(mut self, online_interval: Duration) -> Self {
        self.online_interval = online_interval;
        self
    }

    /// Sets how long before a stream expires its reader is warned.
    pub fn with_expiry_warning(mut self, expiry_warning: Duration) -> Self {
        self.expiry_warning = expiry_warning;
        self
    }

    /// Sets the most of a backlog that is read at once.
    pub fn with_read_limit(mut self, read_limit: ReadLimit) -> Self {
        self.read_limit = read_limit;
        self
    }

    /// Sets the most channels that a reader may ask for.
    pub fn with_max_channels(mut self, max_channels: usize) -> Self {
        self.max_channels = max_channels;
        self
    }
}
