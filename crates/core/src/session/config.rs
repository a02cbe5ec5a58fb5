//! The rhythm and the policies that hold for every session.

use std::time::Duration;

use crate::Portion;

/// The rhythm and the policies of all sessions.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The longest silence.
    pub heartbeat: Duration,
    /// How long a client should wait before it comes back, on average.
    pub retry: Duration,
    /// Changes of the online count are told at most this often.
    pub online: Duration,
    /// How long before its end a stream that has one is warned.
    pub warning: Duration,
    /// How much of a backlog is taken at once.
    pub portion: Portion,
    /// The most channels that a reader may ask for.
    pub channels: usize,
}

/// As gateway.toml has it.
impl Default for Pace {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_secs(2),
            online: Duration::from_millis(250),
            warning: Duration::from_secs(10),
            portion: Portion::default(),
            channels: 100,
        }
    }
}

/// What happens to a reader that falls behind the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowReader {
    /// It is told what it missed, and goes on.
    Gap,
    /// It is disconnected.
    Disconnect,
}
