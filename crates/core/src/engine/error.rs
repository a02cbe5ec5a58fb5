//! The errors of engines.

use std::time::Duration;

use crate::{Kind, NotAccepted, Problem};

/// The time after which a publisher may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The error of an engine. All but [`Unknown`](Self::Unknown) say that nothing was published.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The log does not accept the message.
    #[error(transparent)]
    NotAccepted(#[from] NotAccepted),
    /// The engine has no room; it takes messages again once there is some.
    #[error("the log is full, so nothing was published; retry later")]
    Full,
    /// The message is larger than the engine can store.
    #[error("the message is larger than the log can store; send less")]
    TooLarge,
    /// The engine's storage or broker cannot be reached, or has failed.
    #[error("the log cannot take messages ({0}); nothing was published, retry later")]
    Unavailable(String),
    /// The engine has begun to store the message, and nobody knows whether it is stored.
    #[error(
        "the message may or may not have been published ({0}); publish it again with the same id="
    )]
    Unknown(String),
}

impl Problem for EngineError {
    fn kind(&self) -> Kind {
        match self {
            EngineError::NotAccepted(error) => error.kind(),
            EngineError::Full => Kind::LogFull,
            EngineError::TooLarge => Kind::TooLarge,
            EngineError::Unavailable(_) => Kind::Unavailable,
            EngineError::Unknown(_) => Kind::OutcomeUnknown,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            EngineError::NotAccepted(_) | EngineError::TooLarge => None,
            EngineError::Full | EngineError::Unavailable(_) | EngineError::Unknown(_) => {
                Some(RETRY_AFTER)
            }
        }
    }
}
