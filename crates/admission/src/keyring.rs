//! All keys that tokens are checked with, and the check itself.

use jsonwebtoken::{Header, Validation, decode, decode_header, errors::ErrorKind};
use tricast_core::{Denied, Kind};

use crate::{
    Claims, Expectations, TokenKey,
    claims::RawClaims,
    jwks::{Freshness, Jwks},
};

/// The longest token that is looked at: a head of more would not fit anyway.
const TOKEN_MAX: usize = 8192;

/// Keys from the settings, keys from a URL, and what tokens must say.
#[derive(Debug)]
pub struct Keyring {
    configured: Vec<TokenKey>,
    remote: Option<Jwks>,
    expectations: Expectations,
}

impl Keyring {
    /// With keys of `own`, and those that `remote` fetches.
    pub fn new(
        configured: Vec<TokenKey>,
        remote: Option<Jwks>,
        expectations: Expectations,
    ) -> Self {
        Self { configured, remote, expectations }
    }

    /// Whether there is any way to check a token.
    pub fn is_empty(&self) -> bool {
        self.configured.is_empty() && self.remote.is_none()
    }

    /// Checks a token. Waits only where a key has to be fetched for it.
    ///
    /// # Errors
    /// When it does not hold, or its key cannot be had. The error never repeats the token.
    pub async fn check(&self, token: &str) -> Result<Claims, Denied> {
        let header = parse_header(token)?;
        let mut signature_mismatch = match self.try_keys(token, &header, &self.configured) {
            KeyMatch::Decided(checked) => return checked,
            KeyMatch::BadSignature => true,
            KeyMatch::NoMatchingKey => false,
        };
        if let Some(remote) = &self.remote {
            if let KeyMatch::Decided(checked) = self.try_keys(token, &header, &remote.keys()) {
                return checked;
            }
            // Its key may be newer than ours.
            if remote.refresh().await == Freshness::Unavailable {
                let detail = "the gateway cannot fetch the keys of tokens.jwks_url now; try again";
                return Err(Denied::new(Kind::KeysUnavailable, detail));
            }
            match self.try_keys(token, &header, &remote.keys()) {
                KeyMatch::Decided(checked) => return checked,
                found => signature_mismatch |= matches!(found, KeyMatch::BadSignature),
            }
        }
        Err(if signature_mismatch { bad_signature_denied() } else { no_matching_key(&header) })
    }

    fn try_keys(&self, token: &str, header: &Header, keys: &[TokenKey]) -> KeyMatch {
        let mut found = KeyMatch::NoMatchingKey;
        for key in keys {
            let by_name = key.id.is_some() && key.id == header.kid;
            let other = key.id.is_some() && header.kid.is_some() && !by_name;
            if other || jsonwebtoken::Algorithm::from(key.algorithm) != header.alg {
                continue;
            }
            match self.check_with(token, key) {
                Err(TokenFault::Signature) if by_name => {
                    return KeyMatch::Decided(Err(bad_signature_denied()));
                }
                Err(TokenFault::Signature) => found = KeyMatch::BadSignature,
                Err(TokenFault::Claims(denied)) => return KeyMatch::Decided(Err(denied)),
                Ok(claims) => return KeyMatch::Decided(Ok(claims)),
            }
        }
        found
    }

    fn check_with(&self, token: &str, key: &TokenKey) -> Result<Claims, TokenFault> {
        // The key says how; what the token says must be the same.
        let mut validation = Validation::new(key.algorithm.into());
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let decoded = decode::<RawClaims>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            // The error would repeat what stands there.
            ErrorKind::Json(_) => {
                let detail = "the token does not hold: sub and iss are strings, exp and nbf numbers, \
                              subscribe and publish lists of patterns, each given once";
                TokenFault::Claims(Denied::new(Kind::BadToken, detail))
            }
            _ => TokenFault::Signature,
        })?;
        claims.claims.check(&self.expectations).map_err(TokenFault::Claims)
    }
}

/// What some keys say of a token.
enum KeyMatch {
    /// One of them has signed it, or should have by its name.
    Decided(Result<Claims, Denied>),
    /// None of those that may have signed it has.
    BadSignature,
    /// None of them may have signed it.
    NoMatchingKey,
}

enum TokenFault {
    Signature,
    Claims(Denied),
}

/// The header, without anything that we would have to understand and do not.
fn parse_header(token: &str) -> Result<Header, Denied> {
    let bad = |what: &str| Denied::new(Kind::BadToken, format!("the token does not hold: {what}"));
    if token.len() > TOKEN_MAX {
        return Err(bad(&format!("it is longer than {TOKEN_MAX} bytes")));
    }
    let header = decode_header(token).map_err(|_| {
        bad("it is no JWT of an algorithm that is known here: HS256, RS256, ES256 or EdDSA")
    })?;
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(bad("its header has crit, enc or zip, which are not understood here"));
    }
    Ok(header)
}

fn no_matching_key(header: &Header) -> Denied {
    let with = if header.kid.is_some() { " and its kid" } else { "" };
    let detail =
        format!("the token does not hold: there is no key for its algorithm{with}; see [tokens]");
    Denied::new(Kind::BadToken, detail)
}

fn bad_signature_denied() -> Denied {
    Denied::new(Kind::BadToken, "the token does not hold: its signature is of another key")
}
