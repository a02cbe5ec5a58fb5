//! What keeps an examination from going on: what has happened, and what to do about it.

use std::fmt;

/// Why a request was of no use.
#[derive(Clone, Debug)]
pub(crate) struct ProbeError {
    /// What has happened.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) advice: String,
}

impl ProbeError {
    pub(crate) fn new(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { message: message.into(), advice: advice.into() }
    }

    /// Something that is not known here by name.
    pub(crate) fn from_error(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Self>() {
            Some(known) => known.clone(),
            None => Self::new(format!("{error:#}"), "try again, and see what the gateway logs"),
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.advice)
    }
}

impl std::error::Error for ProbeError {}
