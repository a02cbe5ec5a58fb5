//! Structured logs on standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Logging};

/// Begins to log.
///
/// # Errors
/// When `logging.level` is no filter.
pub fn start(logging: &Logging) -> anyhow::Result<()> {
    let filter = filter(logging)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match logging.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Checks `logging.level`.
///
/// # Errors
/// When it is no filter.
pub fn filter(logging: &Logging) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(&logging.level)
        .with_context(|| format!("logging.level: {:?} is no level or filter", logging.level))
}
