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
    /// What happens to a reader that falls behind the log.
    pub slow_reader: SlowReader,
    /// How much of a backlog is taken at once.
    pub portion: Portion,
    /// The most channels that a reader may ask for.
    pub channels: usize,
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
