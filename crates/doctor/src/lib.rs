//! Examines the path between a client and the gateway: which proxies are on it, and what they do to
//! streams. It sends requests as a plain client does, and says what it has found and which setting
//! to change.

mod advice;
mod certificate;
mod checks;
mod client;
mod diagnosis;
mod encryption;
mod explain;
#[cfg(test)]
mod fake;
mod options;
mod probe_error;
mod probe_stream;
mod proxy;
mod refusal;
mod wire;

pub use advice::sentences;
pub use diagnosis::{Diagnosis, Finding, Verdict};
pub use options::{GatewayUrl, Options};

use std::time::Duration;

use crate::{checks::Examination, client::Client};

/// Examines the gateway of `options`. Calls `watching` with the duration before it watches silent
/// streams, which takes that long.
///
/// An examination that cannot go on returns its findings so far, and a bad one that says why.
///
/// # Errors
/// When there is no response, the response is not from Tricast, or access is denied: then there are
/// no findings.
pub async fn examine(options: Options, watching: impl Fn(Duration)) -> anyhow::Result<Diagnosis> {
    let client = Client::new(options)?;
    Ok(Examination::start(client).await?.run(&watching).await)
}
