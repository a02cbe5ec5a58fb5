//! The gateway's own log lines.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

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
        self.filter().map(drop)
    }

    /// Parses `logging.level`.
    ///
    /// # Errors
    /// When it is not a valid filter.
    pub fn filter(&self) -> anyhow::Result<EnvFilter> {
        // An unknown word alone would count as the name of a module, and silence everything else,
        // the audit log included.
        for word in self.level.split(',').filter(|part| !part.contains(['=', '['])) {
            let level = word.trim().parse::<LevelFilter>().ok().filter(|_| !word.trim().is_empty());
            level.with_context(|| {
                format!(
                    "logging.level: {word:?} is not a level; write error, warn, info, debug or \
                     trace, or a filter such as \"info,tricast=debug\""
                )
            })?;
        }
        EnvFilter::try_new(&self.level)
            .with_context(|| format!("logging.level: {:?} is not a level or filter", self.level))
    }
}
