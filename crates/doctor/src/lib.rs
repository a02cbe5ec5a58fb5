//! What stands between a client and the gateway, and what it does to streams. It asks as a plain client would, from
//! where it runs, and says in plain words what it has found and which setting to change.

mod advice;
mod ask;
mod certificate;
mod checks;
mod diagnosis;
mod encryption;
#[cfg(test)]
mod fake;
mod line;
mod obstacle;
mod place;
mod proxy;
mod refusal;
mod trouble;
mod wire;

pub use advice::sentences;
pub use diagnosis::{Diagnosis, Finding, Verdict};
pub use place::{GatewayUrl, Options};

use std::time::Duration;

use crate::{ask::Client, checks::Examination};

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
