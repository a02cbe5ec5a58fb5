//! What stands between a client and the gateway, and what it does to streams. It asks as a plain client would, from
//! where it runs, and says in plain words what it has found and which setting to change.

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

/// Examines what `visit` names. `watching` is told when silent streams begin to be watched, and for how long: that takes its time.
///
/// An examination that cannot go on ends with what it has found, and with a bad finding that says where and why.
///
/// # Errors
/// When nothing answers there, or may not be asked, or what answers is no Tricast: then nothing was found.
pub async fn examine(options: Options, watching: impl Fn(Duration)) -> anyhow::Result<Diagnosis> {
    let client = Client::new(options)?;
    Ok(Examination::start(client).await?.run(&watching).await)
}
