//! Token keys from a URL (JWK set, RFC 7517). They are fetched at intervals, and at once when a
//! token names an unknown key. After a failed fetch the known keys stay valid.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use jsonwebtoken::jwk::Jwk;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::TokenKey;

/// Timeout of one fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Shortest time between fetches for unknown keys: anyone can send a token that names one.
const COOLDOWN: Duration = Duration::from_secs(10);

/// Delays after a failed fetch: the first, and the longest, up to which it doubles.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A source of a JWK set.
pub trait RemoteKeys: std::fmt::Debug + Send + Sync {
    /// Fetches the document, or says why it cannot be fetched.
    fn fetch(&self) -> BoxFuture<'_, Result<Vec<u8>, String>>;
}

/// The token keys of one URL. Clones share them.
#[derive(Clone, Debug)]
pub struct Jwks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Box<dyn RemoteKeys>,
    keys: RwLock<Arc<[TokenKey]>>,
    /// Locked during a fetch.
    state: Mutex<FetchState>,
    cooldown: Duration,
}

#[derive(Debug, Default)]
struct FetchState {
    last_attempt: Option<Instant>,
    ever_succeeded: bool,
    last_failed: bool,
}

/// The result of an attempt to get the newest keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// The keys are as new as [`COOLDOWN`] allows.
    Fresh,
    /// The last fetch has failed.
    Unavailable,
}

/// A JWK set. Keys of unknown kinds are skipped.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    /// Creates an empty set; nothing is fetched yet.
    pub fn new(source: Box<dyn RemoteKeys>) -> Self {
        Self::with_cooldown(source, COOLDOWN)
    }

    pub(crate) fn with_cooldown(source: Box<dyn RemoteKeys>, cooldown: Duration) -> Self {
        let keys = RwLock::new(Arc::from([]));
        Self(Arc::new(Inner { source, keys, state: Mutex::default(), cooldown }))
    }

    /// Fetches now, and then every `period`; sooner after a failure.
    pub async fn keep_fresh(self, period: Duration) {
        let mut pause = RETRY_DELAYS.0;
        loop {
            let mut state = self.0.state.lock().await;
            let fetched = self.fetch(&mut state).await;
            drop(state);
            match fetched {
                Freshness::Fresh => {
                    pause = RETRY_DELAYS.0;
                    sleep(period).await;
                }
                Freshness::Unavailable => {
                    sleep(pause.mul_f64(0.5 + jitter())).await;
                    pause = (2 * pause).min(RETRY_DELAYS.1);
                }
            }
        }
    }

    pub(crate) fn keys(&self) -> Arc<[TokenKey]> {
        self.0.keys.read().clone()
    }

    /// Fetches, unless there was an attempt within the cooldown. Callers share a fetch that is
    /// under way.
    pub(crate) async fn refresh(&self) -> Freshness {
        let requested_at = Instant::now();
        let mut state = self.0.state.lock().await;
        // Another caller may have fetched while this one waited for the lock.
        let recent = state.last_attempt.is_some_and(|at| at + self.0.cooldown > requested_at);
        if !recent {
            self.fetch(&mut state).await;
        }
        match state.last_failed || !state.ever_succeeded {
            false => Freshness::Fresh,
            true => Freshness::Unavailable,
        }
    }

    async fn fetch(&self, state: &mut FetchState) -> Freshness {
        let fetched = timeout(FETCH_TIMEOUT, self.0.source.fetch()).await;
        let fetched = fetched.unwrap_or_else(|_| Err(format!("no answer in {FETCH_TIMEOUT:?}")));
        let keys = fetched.and_then(|document| parse_keys(&document));
        state.last_attempt = Some(Instant::now());
        state.last_failed = keys.is_err();
        match keys {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "fetched the keys of tokens.jwks_url");
                *self.0.keys.write() = keys.into();
                state.ever_succeeded = true;
                Freshness::Fresh
            }
            Err(error) => {
                let kept = self.0.keys.read().len();
                tracing::warn!(
                    error,
                    kept,
                    "cannot fetch the keys of tokens.jwks_url; known keys stay valid"
                );
                Freshness::Unavailable
            }
        }
    }
}

/// Parses the keys of a document. One without a usable key is an error: it would lock everyone out.
fn parse_keys(document: &[u8]) -> Result<Vec<TokenKey>, String> {
    let document: KeySet = serde_json::from_slice(document)
        .map_err(|error| format!("the document is not a JWK set: {error}"))?;
    let usable = |key: serde_json::Value| {
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        TokenKey::from_jwk(&jwk)
    };
    let keys: Vec<TokenKey> = document.keys.into_iter().filter_map(usable).collect();
    if keys.is_empty() {
        return Err("the JWK set has no key for RS256, ES256 or EdDSA".to_owned());
    }
    Ok(keys)
}

/// A random number from 0 to 1, so that nodes that fail together do not retry together.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without a source of randomness it is the middle.
    if getrandom::fill(&mut byte).is_err() {
        return 0.5;
    }
    f64::from(byte[0]) / 255.0
}
