//! The limits of a log, and the errors when one is reached.

use std::sync::Arc;

use crate::{Bounds, ChannelName, ChannelRules, Kind, Namespaces, Problem};

/// The limits of a [`Log`](crate::Log). The default is that of the gateway's settings.
///
/// ```
/// use tricast_core::{Bounds, Limits};
///
/// let limits = Limits::default().with_rules(Bounds::default().with_messages(50));
/// assert_eq!(limits.channels, 200_000);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The rules of each channel.
    pub rules: Namespaces<Arc<ChannelRules>>,
    /// Bytes that all messages together may occupy, encodings included.
    pub memory_bytes: usize,
    /// The most channels.
    pub channels: usize,
    /// How many forgotten channels are remembered, so that a loss is reported with certainty.
    pub tombstones: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rules: Bounds::default().into(),
            memory_bytes: 256 << 20,
            channels: 200_000,
            tombstones: 100_000,
        }
    }
}

impl Limits {
    /// Sets the rules of each channel; [`Bounds`] alone are the same history for all.
    pub fn with_rules(mut self, rules: impl Into<Namespaces<Arc<ChannelRules>>>) -> Self {
        self.rules = rules.into();
        self
    }

    /// Sets how many bytes all messages together may occupy.
    pub fn with_memory_bytes(mut self, memory_bytes: usize) -> Self {
        self.memory_bytes = memory_bytes;
        self
    }

    /// Sets the most channels.
    pub fn with_channels(mut self, channels: usize) -> Self {
        self.channels = channels;
        self
    }

    /// Sets how many forgotten channels are remembered.
    pub fn with_tombstones(mut self, tombstones: usize) -> Self {
        self.tombstones = tombstones;
        self
    }
}

/// The log has reached its channel limit, and no idle channel can make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway has reached its channel limit, limits.channels; retry later")]
pub struct TooManyChannels;

impl Problem for TooManyChannels {
    fn kind(&self) -> Kind {
        Kind::TooManyChannels
    }
}

/// The channel has reached its subscriber limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("channel {0} has reached its subscriber limit; retry later")]
pub struct ChannelFull(pub(crate) ChannelName);

impl Problem for ChannelFull {
    fn kind(&self) -> Kind {
        Kind::TooManySubscribers
    }
}

/// The hub sheds load: it has more to deliver than it can in time (`limits.overload`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway is overloaded; retry in a moment")]
pub struct Overloaded;

impl Problem for Overloaded {
    fn kind(&self) -> Kind {
        Kind::Overloaded
    }
}
