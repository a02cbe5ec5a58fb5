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
const PATIENCE: Duration = Duration::from_secs(10);

/// Unknown keys make us fetch at most this often: anybody can send a token that names one.
const COOLDOWN: Duration = Duration::from_secs(10);

/// After a fetch that failed: the first pause, which doubles up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

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
    fetches: Mutex<Fetches>,
    cooldown: Duration,
}

#[derive(Debug, Default)]
struct Fetches {
    tried: Option<Instant>,
    ever_succeeded: bool,
    failed: bool,
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
struct Document {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    /// Nothing is fetched yet.
    pub fn new(source: Box<dyn RemoteKeys>) -> Self {
        Self::with_cooldown(source, COOLDOWN)
    }

    pub(crate) fn with_cooldown(source: Box<dyn RemoteKeys>, cooldown: Duration) -> Self {
        let keys = RwLock::new(Arc::from([]));
        Self(Arc::new(Inner { source, keys, fetches: Mutex::default(), cooldown }))
    }

    /// Fetches now, and every `period` from then on, sooner after a failure.
    pub async fn keep_fresh(self, period: Duration) {
        let mut pause = PAUSES.0;
        loop {
            let mut fetches = self.0.fetches.lock().await;
            let fetched = self.fetch(&mut fetches).await;
            drop(fetches);
            if fetched {
                pause = PAUSES.0;
                sleep(period).await;
            } else {
                sleep(pause.mul_f64(0.5 + rand())).await;
                pause = (2 * pause).min(PAUSES.1);
            }
        }
    }

    pub(crate) fn keys(&self) -> Arc<[TokenKey]> {
        self.0.keys.read().clone()
    }

    /// Fetches, unless that was tried a moment ago; who comes while somebody fetches waits for that.
    pub(crate) async fn refresh(&self) -> Freshness {
        let came = Instant::now();
        let mut fetches = self.0.fetches.lock().await;
        // Somebody has tried since, or just before.
        let recent = fetches.tried.is_some_and(|tried| tried + self.0.cooldown > came);
        if !recent {
            self.fetch(&mut fetches).await;
        }
        match fetches.failed || !fetches.ever_succeeded {
            false => Freshness::Fresh,
            true => Freshness::Unavailable,
        }
    }

    async fn fetch(&self, fetches: &mut Fetches) -> bool {
        let fetched = timeout(PATIENCE, self.0.source.fetch()).await;
        let fetched = fetched.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")));
        let keys = fetched.and_then(|document| read(&document));
        fetches.tried = Some(Instant::now());
        fetches.failed = keys.is_err();
        match keys {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "fetched the keys of tokens.jwks_url");
                *self.0.keys.write() = keys.into();
                fetches.ever_succeeded = true;
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
fn read(document: &[u8]) -> Result<Vec<TokenKey>, String> {
    let document: Document =
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
fn rand() -> f64 {
    let mut byte = [0];
    // Without chance it is the middle.
    if getrandom::fill(&mut byte).is_err() {
        return 0.5;
    }
    f64::from(byte[0]) / 255.0
}
