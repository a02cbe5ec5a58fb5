//! Structured logs on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
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
        Ok(self.0.reload(logging.filter()?)?)
    }
}

/// Starts to log.
///
/// # Errors
/// When `logging.level` is not a valid filter.
pub fn start(logging: &Logging) -> anyhow::Result<LogLevel> {
    let (filter, handle) = reload::Layer::new(logging.filter()?);
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
