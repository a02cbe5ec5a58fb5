//! What keeps an examination from going on: what has happened, and what to do about it.

use std::fmt;

/// Why a request was of no use.
#[derive(Clone, Debug)]
pub(crate) struct Obstacle {
    /// What has happened.
    pub(crate) said: String,
    /// What to do next.
    pub(crate) advice: String,
}

impl Obstacle {
    pub(crate) fn new(said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { said: said.into(), advice: advice.into() }
    }

    /// Something that is not known here by name.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Self>() {
            Some(known) => known.clone(),
            None => Self::new(format!("{error:#}"), "try again, and see what the gateway logs"),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.said, self.advice)
    }
}

impl std::error::Error for Obstacle {}
