//! Presence: the subscribers of a channel by name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::range::{HOUR, MILLISECOND, check_time};

/// `[presence]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Presence {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    pub immediate: usize,
}

classify!(Presence {
    // The task that keeps presence runs with these.
    restart: grace, interval, immediate;
});

impl Presence {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_time("presence.grace", self.grace, Duration::ZERO..=HOUR)?;
        check_time("presence.interval", self.interval, 10 * MILLISECOND..=HOUR)
    }
}
