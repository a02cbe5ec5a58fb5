//! Shutdown: connection draining.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::range::{DAY, MILLISECOND, check_time};

/// `[shutdown]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Shutdown {
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

classify!(Shutdown {
    live: delay, grace;
});

impl Shutdown {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_time("shutdown.delay", self.delay, Duration::ZERO..=DAY)?;
        check_time("shutdown.grace", self.grace, MILLISECOND..=DAY)
    }
}
