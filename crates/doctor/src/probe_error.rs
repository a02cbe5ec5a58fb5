//! Errors of an examination, with advice.

use std::fmt;

/// An error that ends an examination or a check.
#[derive(Clone, Debug)]
pub(crate) struct ProbeError {
    /// The error, for people.
    pub(crate) message: String,
    /// The next step for the user.
    pub(crate) advice: String,
}

impl ProbeError {
    pub(crate) fn new(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { message: message.into(), advice: advice.into() }
    }

    /// Converts an error of any kind.
    pub(crate) fn from_error(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Self>() {
            Some(known) => known.clone(),
            None => {
                Self::new(format!("{error:#}"), "try again, and look at the log of the gateway")
            }
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.advice)
    }
}

impl std::error::Error for ProbeError {}
