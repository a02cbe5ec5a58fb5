//! What stands between a client and the gateway, and what it does to streams. It asks as a plain client would, from
//! where it runs, and says in plain words what it has found and which setting to change.

mod advice;
mod ask;
mod checks;
mod diagnosis;
mod encryption;
mod line;
mod place;
mod proxy;
mod wire;

pub use advice::sentences;
pub use diagnosis::{Diagnosis, Finding, Verdict};
pub use place::{Place, Visit};

use crate::{ask::Client, checks::Examination};

/// Examines what `visit` names.
///
/// # Errors
/// When nothing answers there, or what answers is no Tricast.
pub async fn examine(visit: Visit) -> anyhow::Result<Diagnosis> {
    let client = Client::new(visit)?;
    Examination::begin(client).await?.run().await
}
