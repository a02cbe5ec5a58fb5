//! The rhythm and the policies that hold for every session.

use std::time::Duration;

use crate::ReadLimit;

/// The rhythm and the policies of all sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// The longest silence.
    pub heartbeat: Duration,
    /// How long a client should wait before it comes back, on average.
    pub retry: Duration,
    /// Changes of the online count are told at most this often.
    pub online_interval: Duration,
    /// How long before its end a stream that has one is warned.
    pub expiry_warning: Duration,
    /// How much of a backlog is taken at once.
    pub read_limit: ReadLimit,
    /// The most channels that a reader may ask for.
    pub max_channels: usize,
}

/// As gateway.toml has it.
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
