//! The probe of an upstream: whether it can be reached, takes the key, and has the models that the
//! settings name. It asks for the list of models, so it costs nothing.

use std::time::Duration;

use tricast_core::awake_timeout;

use crate::{BadUpstream, KeyGuard, Upstream, UpstreamConfig, upstream_client::CallError};

/// Time for an answer.
const WAIT: Duration = Duration::from_secs(15);

/// What an upstream has answered to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// How many models it has; `None` if it does not list them.
    pub models: Option<usize>,
    /// The models of the settings that it does not list, by its own names for them.
    pub missing: Vec<String>,
}

/// The error of an upstream that prompts cannot be sent to.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Its settings cannot be used.
    #[error(transparent)]
    Settings(#[from] BadUpstream),
    /// It does not answer.
    #[error("it does not answer ({0}); check its url, and whether the service runs")]
    NoAnswer(String),
    /// It refuses the credentials.
    #[error("it has refused the key with status {0}; check key, or key_file, of this upstream")]
    Key(u16),
    /// It answers with a redirect, which is never followed.
    #[error("it answers with a redirect (status {0}); set url to the address that it redirects to")]
    Redirect(u16),
    /// It answers with an error.
    #[error("it answers with status {0}; try again later, or ask its operator")]
    Status(u16),
}

/// Asks the upstream of these settings whether it would take prompts.
///
/// # Errors
/// When it would not.
pub async fn probe(config: UpstreamConfig) -> Result<Probed, ProbeError> {
    let upstream = Upstream::new(config)?;
    let guard = KeyGuard::new(upstream.secrets());
    let late = || Err(CallError::Cut(format!("nothing within {WAIT:?}")));
    let listed = awake_timeout(WAIT, upstream.list_models()).await.unwrap_or_else(late);
    let models = match listed {
        Ok(models) => models,
        Err(CallError::Unreachable(error) | CallError::Cut(error)) => {
            return Err(ProbeError::NoAnswer(guard.scrub(&error)));
        }
        Err(CallError::Status { status, .. }) => match status {
            401 | 403 | 407 => return Err(ProbeError::Key(status)),
            // Services that only answer prompts are services, too.
            404 | 405 | 501 => None,
            300..=399 => return Err(ProbeError::Redirect(status)),
            _ => return Err(ProbeError::Status(status)),
        },
    };
    let is_missing = |model: &&String| models.as_ref().is_some_and(|all| !all.contains(model));
    let names = upstream.config.models.iter().map(|model| &model.model);
    let missing = names.filter(is_missing).cloned().collect();
    Ok(Probed { models: models.map(|models| models.len()), missing })
}
