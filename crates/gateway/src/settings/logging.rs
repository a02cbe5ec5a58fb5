//! The gateway's own log lines.

use serde::{Deserialize, Serialize};

use crate::lifecycle::telemetry;

/// `[logging]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Logging {
    pub level: String,
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

classify!(Logging {
    live: level;
    restart: format;
});

impl Logging {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        telemetry::filter(self).map(drop)
    }
}
