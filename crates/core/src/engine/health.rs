//! The health of an engine.

use std::{sync::Arc, time::Instant};

/// Whether an engine can take messages, and what keeps it from that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is reading what is there; nothing is served yet.
    Starting,
    /// It takes messages.
    Live {
        /// Messages that are in the order and not visible on this node yet.
        lag: u64,
    },
    /// It takes no messages for now, and goes on by itself once the cause is gone.
    Away {
        /// Since when.
        since: Instant,
        /// The cause, and what an operator can do.
        why: Arc<str>,
    },
    /// It takes no messages until the program is started again.
    Failed {
        /// The cause, and what an operator can do.
        why: Arc<str>,
    },
}

impl Health {
    /// Whether messages can be published.
    pub fn is_live(&self) -> bool {
        matches!(self, Health::Live { .. })
    }
}
