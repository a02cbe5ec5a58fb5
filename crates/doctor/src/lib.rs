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
mod intermediaries;
mod observer;
mod options;
mod probe_error;
mod probe_stream;
mod proxy;
mod refusal;
mod wire;

pub use advice::sentences;
pub use diagnosis::{Diagnosis, Finding, Verdict};
pub use observer::Event;
pub use options::{GatewayUrl, Options};

use crate::{checks::Examination, client::Client};

/// Examines the gateway of `options`, and reports to `observe` what it does and finds.
///
/// An examination that cannot go on returns its findings so far, and a bad one that says why. If
/// `stop` returns before the end, the examination breaks off in the same way; `stop` says why.
///
/// # Errors
/// When there is no response, the response is not from Tricast, or access is denied: then there are
/// no findings.
pub async fn examine(
    options: Options,
    observe: impl Fn(Event<'_>),
    stop: impl Future<Output = String>,
) -> anyhow::Result<Diagnosis> {
    let client = Client::new(options)?;
    let url = client.gateway().url("");
    let mut stop = std::pin::pin!(stop);
    let examination = tokio::select! {
        started = Examination::start(client, &observe) => started?,
        reason = &mut stop => return Ok(Diagnosis::stopped(url, &reason, &observe)),
    };
    Ok(examination.run(stop).await)
}
