//! The errors of the log.

use crate::{ChannelFull, Kind, MessageId, Problem, TooManyChannels};

/// The log did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// Its channel is new and cannot be kept.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// Fewer listen than the publisher requires.
    #[error("nobody listens on this channel; nothing was published")]
    NobodyOnline,
}

impl Problem for NotAccepted {
    fn kind(&self) -> Kind {
        match self {
            NotAccepted::TooManyChannels(error) => error.kind(),
            NotAccepted::NobodyOnline => Kind::NobodyOnline,
        }
    }
}

/// The log did not take a reader into a channel.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The log has reached its channel limit.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// A channel has reached its subscriber limit.
    #[error(transparent)]
    ChannelFull(#[from] ChannelFull),
    /// The resume point is ahead of the log.
    #[error(transparent)]
    AheadOfLog(#[from] AheadOfLog),
}

impl Problem for SubscribeError {
    fn kind(&self) -> Kind {
        match self {
            SubscribeError::TooManyChannels(error) => error.kind(),
            SubscribeError::ChannelFull(error) => error.kind(),
            SubscribeError::AheadOfLog(error) => error.kind(),
        }
    }
}

/// The resume point lies ahead of the log: it cannot have come from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the resume point is ahead of the log, whose head is {0}; start without it")]
pub struct AheadOfLog(pub MessageId);

impl Problem for AheadOfLog {
    fn kind(&self) -> Kind {
        Kind::AheadOfLog
    }
}
