//! The hook: asks the operator's own service whether a request is allowed. Anything but a clear yes
//! denies it.

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
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::yield_now,
};
use tricast_core::{AfterFailure, Circuit, CircuitCall, Denied, Kind, awake_timeout, unix_millis};

use crate::{BackendClient, HookEvent, hook_request::HookRequest, hook_response::HookResponse};

/// Memory for cached responses, in bytes.
const CACHE_BYTES: u64 = 16 << 20;

/// Delay before the first retry, and the longest delay. Jitter lengthens each up to twofold.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(500));

/// Metrics of the hook.
pub struct HookMeters {
    allowed: Counter,
    refused: Counter,
    failed: Counter,
    cached: Counter,
    circuit_open: Counter,
}

/// The configuration of the hook.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// Events that the hook is asked about.
    pub on: Vec<HookEvent>,
    /// Names of the request headers that are forwarded, in lower case.
    pub headers: Vec<String>,
    /// Timeout of a call, retries included.
    pub timeout: Duration,
    /// Retries of a call.
    pub retries: usize,
    /// Calls under way at once.
    pub max_concurrent: usize,
    /// Time for which a response answers equal requests; zero switches the cache off.
    pub cache_ttl: Duration,
    /// Failures in a row that open the circuit breaker; 0 means never.
    pub open_after: u32,
    /// Time for which the circuit breaker stays open.
    pub open_for: Duration,
}

/// A client of the hook, with retries, a cache and a circuit breaker.
pub struct Hook {
    backend: BackendClient,
    config: HookConfig,
    call_permits: Semaphore,
    circuit: Circuit,
    cache: Option<Cache<[u8; 32], Arc<HookResponse>>>,
    meters: HookMeters,
    /// Limits warnings, because clients decide how often the hook is asked.
    warnings: DefaultDirectRateLimiter,
}

/// Rate limit of warnings.
const WARNINGS_PER_SECOND: NonZeroU32 = NonZeroU32::new(2).expect("above zero");

/// The failure of a call.
#[derive(Debug)]
enum CallFailure {
    /// The service has not responded, or a proxy says that it is down.
    Unreachable(String),
    /// The service has responded with something that is not a valid response.
    InvalidResponse(String),
}

/// The hook has given no response.
#[derive(Clone, Copy, Debug)]
enum HookUnavailable {
    /// The call failed.
    Failed,
    /// No call was made: the circuit breaker is open for this long.
    CircuitOpen(Duration),
}

impl Hook {
    /// Creates a hook that calls `backend`.
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

    /// Whether the hook is asked about `event`.
    pub fn handles(&self, event: HookEvent) -> bool {
        self.config.on.contains(&event)
    }

    /// Names of the request headers that are forwarded to the hook.
    pub fn headers(&self) -> &[String] {
        &self.config.headers
    }

    /// Returns the response to `request`, from the cache if it is there.
    pub(crate) async fn query(
        &self,
        request: &HookRequest<'_>,
    ) -> Result<Arc<HookResponse>, Denied> {
        let response = match &self.cache {
            None => {
                // Encoding and signing take time; let other tasks of this thread run first.
                yield_now().await;
                self.call_with_retries(request.body()).await
            }
            Some(cache) => self.query_cached(cache, request).await,
        };
        response.map_err(|unavailable| {
            let detail =
                "the gateway cannot reach the service that decides about access; retry later";
            let denied = Denied::new(Kind::Unavailable, detail);
            match unavailable {
                HookUnavailable::Failed => denied,
                HookUnavailable::CircuitOpen(left) => denied.with_retry_after(left),
            }
        })
    }

    /// Returns a cached response, or the one that an equal call under way will get; calls
    /// otherwise.
    async fn query_cached(
        &self,
        cache: &Cache<[u8; 32], Arc<HookResponse>>,
        request: &HookRequest<'_>,
    ) -> Result<Arc<HookResponse>, HookUnavailable> {
        let key = request.cache_key();
        if let Some(cached) = cache.get(&key).await {
            // The cache has its own clock, and may evict a moment late.
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

    /// Calls the hook, with retries, unless the circuit breaker is open.
    async fn call_with_retries(&self, body: Bytes) -> Result<Arc<HookResponse>, HookUnavailable> {
        let _permit = self.call_permit().await?;
        let attempt = self.circuit.begin_call().map_err(|left| {
            self.meters.circuit_open.increment(1);
            HookUnavailable::CircuitOpen(left)
        })?;
        let delays = ExponentialBuilder::default()
            .with_min_delay(RETRY_DELAYS.0)
            .with_max_delay(RETRY_DELAYS.1)
            .with_max_times(self.config.retries)
            .with_jitter();
        let call = || self.call_once(body.clone());
        let called = awake_timeout(self.config.timeout, call.retry(delays)).await;
        let late = || CallFailure::Unreachable(format!("no response in {:?}", self.config.timeout));
        match called.unwrap_or_else(|| Err(late())) {
            Ok(response) => {
                attempt.succeeded();
                match response {
                    HookResponse::Allowed(_) => self.meters.allowed.increment(1),
                    HookResponse::Refused(_) => self.meters.refused.increment(1),
                }
                Ok(response.into())
            }
            Err(failure) => {
                self.meters.failed.increment(1);
                self.record_failure(attempt, failure);
                Err(HookUnavailable::Failed)
            }
        }
    }

    /// Waits for one of the `hook.max_concurrent` permits.
    async fn call_permit(&self) -> Result<SemaphorePermit<'_>, HookUnavailable> {
        match awake_timeout(self.config.timeout, self.call_permits.acquire()).await {
            Some(Ok(permit)) => Ok(permit),
            Some(Err(_)) | None => {
                let at_once = self.config.max_concurrent;
                self.warn(|| tracing::warn!(at_once, "hook overloaded; request denied"));
                self.meters.failed.increment(1);
                Err(HookUnavailable::Failed)
            }
        }
    }

    async fn call_once(&self, body: Bytes) -> Result<HookResponse, CallFailure> {
        let reply = self.backend.post(body).await.map_err(CallFailure::Unreachable)?;
        // A proxy answers so for a service that is down.
        let is_down = matches!(reply.status, 502..=504);
        HookResponse::read(reply).map_err(match is_down {
            true => CallFailure::Unreachable,
            false => CallFailure::InvalidResponse,
        })
    }

    fn record_failure(&self, attempt: CircuitCall<'_>, failure: CallFailure) {
        match failure {
            // The service is up, and cannot handle this one request. A client that sends such
            // requests must not be able to open the circuit breaker for all.
            CallFailure::InvalidResponse(error) => {
                attempt.succeeded();
                self.warn(|| tracing::warn!(error, "invalid hook response; request denied"));
            }
            CallFailure::Unreachable(error) => {
                let after = attempt.failed();
                self.warn(|| tracing::warn!(error, "no hook response; request denied"));
                if after == AfterFailure::Opened {
                    let open_for = self.config.open_for;
                    tracing::warn!(
                        ?open_for,
                        "hook circuit breaker opened; requests are denied until it closes"
                    );
                }
            }
        }
    }
}

/// Expires cached responses: after `max_age`, or when the response says, whichever is first.
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
    /// Registers the metrics with the current recorder.
    pub fn new() -> Self {
        describe_counter!(
            "tricast_hook_calls_total",
            "Requests to the hook: allowed, refused, failed, cached (the response was cached, or \
             on its way), open (not sent, because the circuit breaker was open)."
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
        f.debug_struct("Hook").field("config", &self.config).finish_non_exhaustive()
    }
}
