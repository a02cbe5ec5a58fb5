//! Idempotent publishing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::range::{DAY, MILLISECOND, check_time};

/// `[publish]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Publish {
    #[serde(with = "humantime_serde")]
    pub idempotency_window: Duration,
    pub idempotency_entries: usize,
}

classify!(Publish {
    // The engine's table is allocated once.
    restart: idempotency_window, idempotency_entries;
});

impl Publish {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let window = self.idempotency_window;
        check_time("publish.idempotency_window", window, MILLISECOND..=30 * DAY)
    }
}
