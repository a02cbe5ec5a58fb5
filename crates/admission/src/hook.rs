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

use crate::{Backend, Occasion, circuit::Circuit, question::Question, verdict::Verdict};

/// The most bytes that kept answers may occupy.
const CACHE_BYTES: u64 = 16 << 20;

/// The pause before a second try, and the longest. Each is lengthened by chance, up to twice as long.
const PAUSES: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(500));

/// What is counted of the hook.
pub struct HookMeters {
    allowed: Counter,
    refused: Counter,
    failed: Counter,
    cached: Counter,
    open: Counter,
}

/// How the hook is asked.
#[derive(Clone, Debug)]
pub struct HookRules {
    /// When.
    pub on: Vec<Occasion>,
    /// The headers of requests that are passed on, in lower case.
    pub headers: Vec<String>,
    /// How long an answer may take, with all tries.
    pub timeout: Duration,
    /// How often it is tried again.
    pub retries: usize,
    /// Questions under way at once.
    pub at_once: usize,
    /// How long an answer holds for the same question; zero is not at all.
    pub cache: Duration,
    /// So many failures in a row, and nobody is asked for a while; 0 is any number.
    pub open_after: u32,
    /// That while.
    pub open_for: Duration,
}

/// Asks.
pub struct Hook {
    backend: Backend,
    rules: HookRules,
    places: Semaphore,
    circuit: Circuit,
    answers: Option<Cache<[u8; 32], Arc<Verdict>>>,
    meters: HookMeters,
    /// Warnings a second: whoever asks may ask often.
    warnings: DefaultDirectRateLimiter,
}

/// Warnings a second.
const WARNINGS: NonZeroU32 = NonZeroU32::new(2).expect("above zero");

/// What became of a call.
#[derive(Debug)]
enum Failure {
    /// Nobody has answered.
    Away(String),
    /// Somebody has, and it is no answer.
    Nonsense(String),
}

/// There is no answer.
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// It failed.
    Failed,
    /// Nobody was asked, and nobody will be for so long.
    Open(Duration),
}

impl Hook {
    /// Asks `backend`.
    pub fn new(backend: Backend, rules: HookRules, meters: HookMeters) -> Self {
        let cache = || {
            let size = |_: &[u8; 32], verdict: &Arc<Verdict>| verdict.size() as u32;
            let expiry = Keeps { most: rules.cache };
            Cache::builder().max_capacity(CACHE_BYTES).weigher(size).expire_after(expiry).build()
        };
        Self {
            backend,
            places: Semaphore::new(rules.at_once),
            circuit: Circuit::new(rules.open_after, rules.open_for),
            answers: (!rules.cache.is_zero()).then(cache),
            rules,
            meters,
            warnings: RateLimiter::direct(Quota::per_second(WARNINGS)),
        }
    }

    fn warn(&self, warn: impl FnOnce()) {
        if self.warnings.check().is_ok() {
            warn();
        }
    }

    /// Whether it is asked then.
    pub fn is_asked_on(&self, occasion: Occasion) -> bool {
        self.rules.on.contains(&occasion)
    }

    /// The headers of requests that it is told.
    pub fn headers(&self) -> &[String] {
        &self.rules.headers
    }

    /// What it says to `question`.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Arc<Verdict>, Denied> {
        let asked = match &self.answers {
            None => {
                // To make and sign a call takes time that a thread that serves others does not have.
                yield_now().await;
                self.inquire(question.body()).await
            }
            Some(answers) => self.look_up(answers, question).await,
        };
        asked.map_err(|silence| {
            let detail = "the gateway has to ask whether you may, and gets no answer now; try again in a moment";
            let denied = Denied::new(Kind::Unavailable, detail);
            match silence {
                Silence::Failed => denied,
                Silence::Open(left) => denied.until(left),
            }
        })
    }

    /// The answer that is kept, or is on its way for somebody else; else asks.
    async fn look_up(
        &self,
        answers: &Cache<[u8; 32], Arc<Verdict>>,
        question: &Question<'_>,
    ) -> Result<Arc<Verdict>, Silence> {
        let key = question.key();
        if let Some(kept) = answers.get(&key).await {
            // The cache has a clock of its own, and may let go a moment late.
            if kept.expires().is_none_or(|end| end > unix_millis()) {
                self.meters.cached.increment(1);
                return Ok(kept);
            }
            answers.invalidate(&key).await;
        }
        yield_now().await;
        let inquiry = self.inquire(question.body());
        let entry = answers.entry(key).or_try_insert_with(inquiry).await.map_err(|error| *error)?;
        if !entry.is_fresh() {
            self.meters.cached.increment(1);
        }
        Ok(entry.into_value())
    }

    /// Asks, with all tries, unless the circuit is open.
    async fn inquire(&self, body: Bytes) -> Result<Arc<Verdict>, Silence> {
        let place = timeout(self.rules.timeout, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            self.warn(|| {
                tracing::warn!(
                    at_once = self.rules.at_once,
                    "a question to the hook found no place"
                );
            });
            self.meters.failed.increment(1);
            return Err(Silence::Failed);
        };
        let passage = self.circuit.enter().map_err(|left| {
            self.meters.open.increment(1);
            Silence::Open(left)
        })?;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(PAUSES.0)
            .with_max_delay(PAUSES.1)
            .with_max_times(self.rules.retries)
            .with_jitter();
        let call = || async {
            let reply = self.backend.post(body.clone()).await.map_err(Failure::Away)?;
            // What a proxy in front of a service says that is not there.
            let away = matches!(reply.status, 502..=504);
            let told = Verdict::read(reply);
            told.map_err(if away { Failure::Away } else { Failure::Nonsense })
        };
        let called = timeout(self.rules.timeout, call.retry(pauses)).await;
        let late = || Failure::Away(format!("no answer in {:?}", self.rules.timeout));
        match called.unwrap_or_else(|_| Err(late())) {
            Ok(verdict) => {
                passage.succeeded();
                match verdict {
                    Verdict::Allowed(_) => self.meters.allowed.increment(1),
                    Verdict::Refused(_) => self.meters.refused.increment(1),
                }
                Ok(verdict.into())
            }
            // It is there, and cannot make sense of this one: that says nothing of other questions, and
            // whoever asks must not be able to close the door for all.
            Err(Failure::Nonsense(error)) => {
                passage.succeeded();
                self.meters.failed.increment(1);
                self.warn(|| tracing::warn!(error, "the hook's answer is none, and so a no"));
                Err(Silence::Failed)
            }
            Err(Failure::Away(error)) => {
                let opened = passage.failed();
                self.meters.failed.increment(1);
                self.warn(|| {
                    tracing::warn!(
                        error,
                        "the hook does not answer, so the question is answered with no"
                    );
                });
                if opened {
                    let pause = self.rules.open_for;
                    tracing::warn!(
                        ?pause,
                        "the hook has failed too often; it is not asked for a while"
                    );
                }
                Err(Silence::Failed)
            }
        }
    }
}

/// How long an answer is kept: never beyond its own end.
struct Keeps {
    most: Duration,
}

impl Expiry<[u8; 32], Arc<Verdict>> for Keeps {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        verdict: &Arc<Verdict>,
        _: Instant,
    ) -> Option<Duration> {
        let left = |end: u64| Duration::from_millis(end.saturating_sub(unix_millis()));
        Some(verdict.expires().map_or(self.most, |end| self.most.min(left(end))))
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
            open: counter("open"),
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
        f.debug_struct("Hook").field("rules", &self.rules).finish_non_exhaustive()
    }
}
