//! One upstream: its settings, the calls under way, and its circuit.

use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

use tokio::sync::{Semaphore, SemaphorePermit};
use tricast_core::{Circuit, Secret};

use crate::{
    BadUpstream, ChatRequest, UpstreamConfig, UpstreamMeters, demo,
    upstream_client::{Body, CallError, Reply, UpstreamClient},
};

/// Calls that wait, for each that may be under way.
const WAITING_PER_CALL: usize = 4;

/// A service that is asked for answers.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) circuit: Circuit,
    pub(crate) meters: UpstreamMeters,
    source: Source,
    permits: Semaphore,
    waiting: AtomicUsize,
}

enum Source {
    Http(Box<UpstreamClient>),
    Demo,
    #[cfg(test)]
    Script(Script),
}

/// The responses of a test, one for each call.
#[cfg(test)]
pub(crate) type Script = Box<dyn Fn() -> ScriptedCall + Send + Sync>;

#[cfg(test)]
pub(crate) type ScriptedCall =
    std::pin::Pin<Box<dyn Future<Output = Result<Reply, CallError>> + Send + 'static>>;

/// As many calls are under way, and wait, as is allowed.
#[derive(Debug)]
pub(crate) struct Crowded;

impl Upstream {
    /// Prepares to call an upstream.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub(crate) fn new(config: UpstreamConfig) -> Result<Self, BadUpstream> {
        let source = match config.is_demo() {
            true => Source::Demo,
            false => Source::Http(Box::new(UpstreamClient::new(&config)?)),
        };
        Ok(Self::with_source(config, source))
    }

    #[cfg(test)]
    pub(crate) fn scripted(config: UpstreamConfig, script: Script) -> Self {
        Self::with_source(config, Source::Script(script))
    }

    fn with_source(config: UpstreamConfig, source: Source) -> Self {
        Self {
            circuit: Circuit::new(config.open_after, config.open_for),
            meters: UpstreamMeters::new(&config.name),
            source,
            permits: Semaphore::new(config.at_once.max(1)),
            waiting: AtomicUsize::new(0),
            config,
        }
    }

    /// Returns the secrets of this upstream.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let fields = self.config.headers.iter().filter(|(name, _)| is_secret_field(name));
        std::iter::once(&self.config.key).chain(fields.map(|(_, value)| value))
    }

    /// Waits until a call may begin.
    ///
    /// # Errors
    /// When too many wait already.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Crowded> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(self)?;
        // It is never closed.
        self.permits.acquire().await.map_err(|_| Crowded)
    }

    /// Calls the upstream.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn call(
        &self,
        request: &ChatRequest,
        model: &str,
    ) -> Result<Reply, CallError> {
        match &self.source {
            Source::Http(client) => client.call(request.to_body(model)).await,
            Source::Demo => {
                Ok(Reply { is_whole: false, body: Body::Piped(Box::pin(demo::body(request))) })
            }
            #[cfg(test)]
            Source::Script(script) => script().await,
        }
    }

    /// Asks the upstream for the names of its models, which costs nothing. `None` if it answers,
    /// and not with a list.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn list_models(&self) -> Result<Option<Vec<String>>, CallError> {
        match &self.source {
            Source::Http(client) => client.list_models().await,
            _ => Ok(None),
        }
    }
}

/// A call that waits for its turn.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(upstream: &'a Upstream) -> Result<Self, Crowded> {
        let limit = upstream.config.at_once.max(1) * WAITING_PER_CALL;
        let before = upstream.waiting.fetch_add(1, AcqRel);
        let waiting = Self(&upstream.waiting);
        if before < limit { Ok(waiting) } else { Err(Crowded) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

/// Whether the value of a configured field is a secret by its name.
fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "key", "secret", "token"].iter().any(|word| name.contains(word))
}

/// Leaves out everything that may be a secret.
impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Upstream").field(&self.config.name).finish()
    }
}

#[cfg(test)]
#[path = "tests/upstream.rs"]
mod tests;
