//! Structured logs on standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::LevelFilter,
    layer::SubscriberExt as _,
    reload::{self, Handle},
    util::SubscriberInitExt as _,
};

use crate::settings::{LogFormat, Logging};

/// A handle that changes the log level.
#[derive(Debug)]
pub struct LogLevel(Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Applies `logging.level` from now on.
    ///
    /// # Errors
    /// When it is not a valid filter.
    pub fn set(&self, logging: &Logging) -> anyhow::Result<()> {
        Ok(self.0.reload(filter(logging)?)?)
    }
}

/// Starts to log.
///
/// # Errors
/// When `logging.level` is not a valid filter.
pub fn start(logging: &Logging) -> anyhow::Result<LogLevel> {
    let (filter, handle) = reload::Layer::new(filter(logging)?);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match logging.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(LogLevel(handle))
}

/// Parses `logging.level`.
///
/// # Errors
/// When it is not a valid filter.
pub fn filter(logging: &Logging) -> anyhow::Result<EnvFilter> {
    // An unknown word alone would count as the name of a module, and silence everything else, the
    // audit log included.
    for word in logging.level.split(',').filter(|part| !part.contains(['=', '['])) {
        let level = word.trim().parse::<LevelFilter>().ok().filter(|_| !word.trim().is_empty());
        level.with_context(|| {
            format!(
                "logging.level: {word:?} is not a level; write error, warn, info, debug or trace, \
                 or a filter such as \"info,tricast=debug\""
            )
        })?;
    }
    EnvFilter::try_new(&logging.level)
        .with_context(|| format!("logging.level: {:?} is not a level or filter", logging.level))
}
