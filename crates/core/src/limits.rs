//! Limits: what a log may hold, and the errors of whoever reaches one.

use std::sync::Arc;

use crate::{ChannelName, ChannelRules, Kind, Namespaces, Problem};

/// What a log may hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of each channel.
    pub rules: Namespaces<Arc<ChannelRules>>,
    /// Bytes that all messages together may occupy, encodings included.
    pub memory_bytes: usize,
    /// Channels.
    pub channels: usize,
    /// Forgotten channels that are remembered.
    pub tombstones: usize,
}

/// No further channel can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway holds as many channels as limits.channels allows")]
pub struct TooManyChannels;

impl Problem for TooManyChannels {
    fn kind(&self) -> Kind {
        Kind::TooManyChannels
    }
}

/// As many listen to a channel as its namespace allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("as many listen to {0} as may; come back later")]
pub struct ChannelFull(pub(crate) ChannelName);

impl Problem for ChannelFull {
    fn kind(&self) -> Kind {
        Kind::TooManySubscribers
    }
}

/// More is under way than can be delivered in time (`limits.overload`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway has more to deliver than it can in time; come back in a moment")]
pub struct Overloaded;

impl Problem for Overloaded {
    fn kind(&self) -> Kind {
        Kind::Overloaded
    }
}
