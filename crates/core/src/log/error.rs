//! The errors of publishing to the log.

use crate::{Kind, Problem, TooManyChannels};

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
