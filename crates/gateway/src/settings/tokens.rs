//! Tokens of users: the keys that verify them, and the claims that they have to have.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use tricast_admission::{Algorithm, Expectations, Secret, TokenKey};

use crate::settings::{
    endpoint::is_field_name,
    range::{DAY, SECOND, check_time},
};

/// `[tokens]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Tokens {
    pub secret: Secret,
    pub keys: Vec<TokenKeyFile>,
    pub jwks_url: String,
    #[serde(with = "humantime_serde")]
    pub jwks_refresh: Duration,
    pub audience: String,
    pub issuer: String,
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    #[serde(with = "humantime_serde")]
    pub warning: Duration,
    pub cookie: String,
}

/// `[[tokens.keys]]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct TokenKeyFile {
    pub algorithm: Algorithm,
    pub file: PathBuf,
    pub id: Option<String>,
}

classify!(Tokens {
    live: secret, keys, audience, issuer, leeway, warning;
    // The task that fetches the set of keys runs with these two. The cookie decides which CORS
    // fields responses have, and that is fixed when the routes are built.
    restart: jwks_url, jwks_refresh, cookie;
});

impl Tokens {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_time("tokens.leeway", self.leeway, Duration::ZERO..=DAY)?;
        check_time("tokens.warning", self.warning, Duration::ZERO..=DAY)?;
        check_time("tokens.jwks_refresh", self.jwks_refresh, SECOND..=DAY)?;
        anyhow::ensure!(
            self.jwks_url.is_empty() || is_tamper_proof(&self.jwks_url),
            "tokens.jwks_url: write an https:// URL (http:// only for a loopback address)"
        );
        anyhow::ensure!(
            self.cookie.is_empty() || is_field_name(&self.cookie),
            "tokens.cookie: {:?} is not a cookie's name (RFC 6265 section 4.1.1)",
            self.cookie
        );
        Ok(())
    }

    /// Whether any key that verifies tokens is set.
    pub(crate) fn has_keys(&self) -> bool {
        !(self.secret.is_empty() && self.keys.is_empty() && self.jwks_url.is_empty())
    }

    /// Reads the keys that the settings name, except those of `jwks_url`.
    ///
    /// # Errors
    /// When a file cannot be read, or does not contain a key.
    pub fn read_keys(&self) -> anyhow::Result<Vec<TokenKey>> {
        let mut keys = Vec::new();
        if !self.secret.is_empty() {
            let secret = self.secret.expose().as_bytes();
            let advice = "tokens.secret: create one with `openssl rand -hex 32`";
            keys.push(TokenKey::from_secret(secret, None).context(advice)?);
        }
        for TokenKeyFile { algorithm, file, id } in &self.keys {
            let named = || format!("tokens.keys: {}", file.display());
            let text = std::fs::read(file).with_context(named)?;
            let key = TokenKey::from_pem(*algorithm, text.trim_ascii(), id.clone());
            keys.push(key.with_context(named)?);
        }
        Ok(keys)
    }

    /// Returns the claims that a token has to have.
    pub fn expectations(&self) -> Expectations {
        Expectations {
            audience: self.audience.clone(),
            issuer: self.issuer.clone(),
            leeway: self.leeway.as_millis() as u64,
        }
    }
}

/// Whether nobody between here and `url` can change what it returns: keys that somebody could
/// replace would verify nothing.
fn is_tamper_proof(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_loopback,
        _ => false,
    }
}
