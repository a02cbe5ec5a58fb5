//! The hook: asks the user's own service whether somebody may. Whatever is no clear yes is a no.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use metrics::{Counter, counter, describe_counter};
use moka::{Expiry, future::Cache};
use tokio::{sync::Semaphore, task::yield_now, time::timeout};
use tricast_core::{Denied, Kind, unix_millis};

use crate::{
    BackendClient, HookEvent, circuit::Circuit, hook_request::HookRequest,
    hook_response::HookResponse,
};

/// The most bytes that kept answers may occupy.
const CACHE_BYTES: u64 = 16 << 20;

/// The pause before a second try, and the longest. Each is lengthened by chance, up to twice as long.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(500));

/// What is counted of the hook.
pub struct HookMeters {
    allowed: Counter,
    refused: Counter,
    failed: Counter,
    cached: Counter,
    circuit_open: Counter,
}

/// How the hook is asked.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// When.
    pub on: Vec<HookEvent>,
    /// The headers of requests that are passed on, in lower case.
    pub headers: Vec<String>,
    /// How long an answer may take, with all tries.
    pub timeout: Duration,
    /// How often it is tried again.
    pub retries: usize,
    /// Questions under way at once.
    pub max_concurrent: usize,
    /// How long an answer holds for the same question; zero is not at all.
    pub cache_ttl: Duration,
    /// So many failures in a row, and nobody is asked for a while; 0 is any number.
    pub open_after: u32,
    /// That while.
    pub open_for: Duration,
}

/// Asks.
pub struct Hook {
    backend: BackendClient,
    config: HookConfig,
    call_permits: Semaphore,
    circuit: Circuit,
    cache: Option<Cache<[u8; 32], Arc<HookResponse>>>,
    meters: HookMeters,
    /// Warnings a second: whoever asks may ask often.
    warnings: DefaultDirectRateLimiter,
}

/// Warnings a second.
const WARNINGS_PER_SECOND: NonZeroU32 = NonZeroU32::new(2).expect("above zero");

/// What became of a call.
#[derive(Debug)]
enum CallFailure {
    /// Nobody has answered.
    Unreachable(String),
    /// Somebody has, and it is no answer.
    InvalidResponse(String),
}

/// There is no answer.
#[derive(Clone, Copy, Debug)]
enum HookUnavailable {
    /// It failed.
    Failed,
    /// Nobody was asked, and nobody will be for so long.
    CircuitOpen(Duration),
}

impl Hook {
    /// Asks `backend`.
    pub fn new(backend: BackendClient, config: HookConfig, meters: HookMeters) -> Self {
        let cache = || {
            let size = |_: &[u8; 32], response: &Arc<HookResponse>| response.memory_size() as u32;
            let expiry = CacheExpiry { max_age: config.cache_ttl };
            Cache::builder().max_capacity(CACHE_BYTES).weigher(size).expire_after(expiry).build()
        };
        Self {
            backend,
            call_permits: Semaphore::new(config.max_concurrent),
            circuit: Circuit::new(config.open_after, config.open_for),
            cache: (!config.cache_ttl.is_zero()).then(cache),
            config,
            meters,
            warnings: RateLimiter::direct(Quota::per_second(WARNINGS_PER_SECOND)),
        }
    }

    fn warn(&self, warn: impl FnOnce()) {
        if self.warnings.check().is_ok() {
            warn();
        }
    }

    /// Whether it is asked then.
    pub fn handles(&self, event: HookEvent) -> bool {
        self.config.on.contains(&event)
    }

    /// The headers of requests that it is told.
    pub fn headers(&self) -> &[String] {
        &self.config.headers
    }

    /// What it says to `question`.
    pub(crate) async fn query(
        &self,
        request: &HookRequest<'_>,
    ) -> Result<Arc<HookResponse>, Denied> {
        let response = match &self.cache {
            None => {
                // To make and sign a call takes time that a thread that serves others does not have.
                yield_now().await;
                self.call_with_retries(request.body()).await
            }
            Some(cache) => self.query_cached(cache, request).await,
        };
        response.map_err(|unavailable| {
            let detail = "the gateway has to ask whether you may, and gets no answer now; try again in a moment";
            let denied = Denied::new(Kind::Unavailable, detail);
            match unavailable {
                HookUnavailable::Failed => denied,
                HookUnavailable::CircuitOpen(left) => denied.with_retry_after(left),
            }
        })
    }

    /// The answer that is kept, or is on its way for somebody else; else asks.
    async fn query_cached(
        &self,
        cache: &Cache<[u8; 32], Arc<HookResponse>>,
        request: &HookRequest<'_>,
    ) -> Result<Arc<HookResponse>, HookUnavailable> {
        let key = request.cache_key();
        if let Some(cached) = cache.get(&key).await {
            // The cache has a clock of its own, and may let go a moment late.
            if cached.expires().is_none_or(|end| end > unix_millis()) {
                self.meters.cached.increment(1);
                return Ok(cached);
            }
            cache.invalidate(&key).await;
        }
        yield_now().await;
        let call = self.call_with_retries(request.body());
        let entry = cache.entry(key).or_try_insert_with(call).await.map_err(|error| *error)?;
        if !entry.is_fresh() {
            self.meters.cached.increment(1);
        }
        Ok(entry.into_value())
    }

    /// Asks, with all tries, unless the circuit is open.
    async fn call_with_retries(&self, body: Bytes) -> Result<Arc<HookResponse>, HookUnavailable> {
        let permit = timeout(self.config.timeout, self.call_permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            self.warn(|| {
                tracing::warn!(
                    at_once = self.config.max_concurrent,
                    "a question to the hook found no place"
                );
            });
            self.meters.failed.increment(1);
            return Err(HookUnavailable::Failed);
        };
        let attempt = self.circuit.begin_call().map_err(|left| {
            self.meters.circuit_open.increment(1);
            HookUnavailable::CircuitOpen(left)
        })?;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(RETRY_DELAYS.0)
            .with_max_delay(RETRY_DELAYS.1)
            .with_max_times(self.config.retries)
            .with_jitter();
        let call = || async {
            let reply = self.backend.post(body.clone()).await.map_err(CallFailure::Unreachable)?;
            // What a proxy in front of a service says that is not there.
            let away = matches!(reply.status, 502..=504);
            let parsed = HookResponse::read(reply);
            parsed.map_err(if away {
                CallFailure::Unreachable
            } else {
                CallFailure::InvalidResponse
            })
        };
        let called = timeout(self.config.timeout, call.retry(pauses)).await;
        let late = || CallFailure::Unreachable(format!("no answer in {:?}", self.config.timeout));
        match called.unwrap_or_else(|_| Err(late())) {
            Ok(response) => {
                attempt.succeeded();
                match response {
                    HookResponse::Allowed(_) => self.meters.allowed.increment(1),
                    HookResponse::Refused(_) => self.meters.refused.increment(1),
                }
                Ok(response.into())
            }
            // It is there, and cannot make sense of this one: that says nothing of other questions, and
            // whoever asks must not be able to close the door for all.
            Err(CallFailure::InvalidResponse(error)) => {
                attempt.succeeded();
                self.meters.failed.increment(1);
                self.warn(|| tracing::warn!(error, "the hook's answer is none, and so a no"));
                Err(HookUnavailable::Failed)
            }
            Err(CallFailure::Unreachable(error)) => {
                let opened = attempt.failed();
                self.meters.failed.increment(1);
                self.warn(|| {
                    tracing::warn!(
                        error,
                        "the hook does not answer, so the question is answered with no"
                    );
                });
                if opened {
                    let pause = self.config.open_for;
                    tracing::warn!(
                        ?pause,
                        "the hook has failed too often; it is not asked for a while"
                    );
                }
                Err(HookUnavailable::Failed)
            }
        }
    }
}

/// How long an answer is kept: never beyond its own end.
struct CacheExpiry {
    max_age: Duration,
}

impl Expiry<[u8; 32], Arc<HookResponse>> for CacheExpiry {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        response: &Arc<HookResponse>,
        _: Instant,
    ) -> Option<Duration> {
        let left = |end: u64| Duration::from_millis(end.saturating_sub(unix_millis()));
        Some(response.expires().map_or(self.max_age, |end| self.max_age.min(left(end))))
    }
}

impl HookMeters {
    /// Made under the recorder that is to have them.
    pub fn new() -> Self {
        describe_counter!(
            "tricast_hook_calls_total",
            "Questions for the hook: allowed, refused, failed, cached (an answer that was there, or on its way), \
             open (nobody was asked, because it had failed too often)."
        );
        let counter =
            |result: &'static str| counter!("tricast_hook_calls_total", "result" => result);
        Self {
            allowed: counter("allowed"),
            refused: counter("refused"),
            failed: counter("failed"),
            cached: counter("cached"),
            circuit_open: counter("open"),
        }
    }
}

impl Default for HookMeters {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for HookMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookMeters")
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("rules", &self.config).finish_non_exhaustive()
    }
}
