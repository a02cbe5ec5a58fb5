//! The errors of the log.

use crate::{ChannelFull, Kind, Problem, TooManyChannels};

/// The error of a message that the log does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// The channel is new and the limit of channels is reached.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// The channel has fewer subscribers than the publisher requires.
    #[error("this channel has fewer subscribers than required; nothing was published")]
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

/// The error of a reader that cannot subscribe to a channel.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The log has reached its channel limit.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// A channel has reached its subscriber limit.
    #[error(transparent)]
    ChannelFull(#[from] ChannelFull),
}

impl Problem for SubscribeError {
    fn kind(&self) -> Kind {
        match self {
            SubscribeError::TooManyChannels(error) => error.kind(),
            SubscribeError::ChannelFull(error) => error.kind(),
        }
    }
}
