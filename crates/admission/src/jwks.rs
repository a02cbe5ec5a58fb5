//! Keys from a URL (RFC 7517): fetched, kept, fetched again in time, and at once when a token names one that
//! is not there. A fetch that fails changes nothing: the keys that are known stay good.

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

/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Unknown keys make us fetch at most this often: anybody can send a token that names one.
const COOLDOWN: Duration = Duration::from_secs(10);

/// After a fetch that failed: the first pause, which doubles up to the second.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Where a set of keys comes from.
pub trait RemoteKeys: std::fmt::Debug + Send + Sync {
    /// The document, or why it cannot be had.
    fn fetch(&self) -> BoxFuture<'_, Result<Vec<u8>, String>>;
}

/// The keys of one URL.
#[derive(Clone, Debug)]
pub struct Jwks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Box<dyn RemoteKeys>,
    keys: RwLock<Arc<[TokenKey]>>,
    /// Held by whoever fetches.
    state: Mutex<FetchState>,
    cooldown: Duration,
}

#[derive(Debug, Default)]
struct FetchState {
    last_attempt: Option<Instant>,
    ever_succeeded: bool,
    last_failed: bool,
}

/// What came of an attempt to have the newest keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// They are there, or were a moment ago.
    Fresh,
    /// They cannot be had.
    Unavailable,
}

/// A set of keys, of which we may not understand all.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    /// Nothing is fetched yet.
    pub fn new(source: Box<dyn RemoteKeys>) -> Self {
        Self::with_cooldown(source, COOLDOWN)
    }

    pub(crate) fn with_cooldown(source: Box<dyn RemoteKeys>, cooldown: Duration) -> Self {
        let keys = RwLock::new(Arc::from([]));
        Self(Arc::new(Inner { source, keys, state: Mutex::default(), cooldown }))
    }

    /// Fetches now, and every `period` from then on, sooner after a failure.
    pub async fn keep_fresh(self, period: Duration) {
        let mut pause = RETRY_DELAYS.0;
        loop {
            let mut state = self.0.state.lock().await;
            let fetched = self.fetch(&mut state).await;
            drop(state);
            if fetched {
                pause = RETRY_DELAYS.0;
                sleep(period).await;
            } else {
                sleep(pause.mul_f64(0.5 + jitter())).await;
                pause = (2 * pause).min(RETRY_DELAYS.1);
            }
        }
    }

    pub(crate) fn keys(&self) -> Arc<[TokenKey]> {
        self.0.keys.read().clone()
    }

    /// Fetches, unless that was tried a moment ago; who comes while somebody fetches waits for that.
    pub(crate) async fn refresh(&self) -> Freshness {
        let requested_at = Instant::now();
        let mut state = self.0.state.lock().await;
        // Somebody has tried since, or just before.
        let recent = state.last_attempt.is_some_and(|at| at + self.0.cooldown > requested_at);
        if !recent {
            self.fetch(&mut state).await;
        }
        match state.last_failed || !state.ever_succeeded {
            false => Freshness::Fresh,
            true => Freshness::Unavailable,
        }
    }

    async fn fetch(&self, state: &mut FetchState) -> bool {
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
                true
            }
            Err(error) => {
                let kept = self.0.keys.read().len();
                tracing::warn!(error, kept, "cannot fetch the keys of tokens.jwks_url");
                false
            }
        }
    }
}

/// The keys of a document that we understand. One with none is an error: it would lock everybody out.
fn parse_keys(document: &[u8]) -> Result<Vec<TokenKey>, String> {
    let document: KeySet =
        serde_json::from_slice(document).map_err(|error| format!("no set of keys: {error}"))?;
    let understood = |key: serde_json::Value| {
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        TokenKey::from_jwk(&jwk)
    };
    let keys: Vec<TokenKey> = document.keys.into_iter().filter_map(understood).collect();
    if keys.is_empty() {
        return Err("no key in it is one for RS256, ES256 or EdDSA".to_owned());
    }
    Ok(keys)
}

/// From 0 to 1, so that nodes that fail together do not try together.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without chance it is the middle.
    if getrandom::fill(&mut byte).is_err() {
        return 0.5;
    }
    f64::from(byte[0]) / 255.0
}
