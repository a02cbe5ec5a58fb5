//! The keys that verify tokens, and the verification.

use jsonwebtoken::{Header, Validation, decode, decode_header, errors::ErrorKind};
use tricast_core::{Denied, Kind};

use crate::{
    Claims, Expectations, TokenKey,
    claims::RawClaims,
    jwks::{Freshness, Jwks},
};

/// Longest token, in bytes: a longer one would not fit into a request head anyway.
const TOKEN_MAX: usize = 8192;

/// The keys of the settings, the keys of a URL, and the claims that tokens must have.
#[derive(Debug)]
pub struct Keyring {
    configured: Vec<TokenKey>,
    remote: Option<Jwks>,
    expectations: Expectations,
}

impl Keyring {
    /// Creates a keyring of `configured` keys and those that `remote` fetches.
    pub fn new(
        configured: Vec<TokenKey>,
        remote: Option<Jwks>,
        expectations: Expectations,
    ) -> Self {
        Self { configured, remote, expectations }
    }

    /// Whether there are no keys, so that no token can be verified.
    pub fn is_empty(&self) -> bool {
        self.configured.is_empty() && self.remote.is_none()
    }

    /// Verifies a token. Waits only if a key has to be fetched for it.
    ///
    /// # Errors
    /// When the token is invalid, or its key cannot be fetched. The error never repeats the token.
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
                let detail =
                    "the gateway cannot fetch the keys of tokens.jwks_url now; retry later";
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
        // The key determines the algorithm, and the header of the token must name the same one.
        let mut validation = Validation::new(key.algorithm.into());
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let decoded = decode::<RawClaims>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            // The library's error would repeat parts of the token.
            ErrorKind::Json(_) => {
                let detail = "the token is invalid: sub and iss are strings, exp and nbf numbers, \
                              subscribe and publish lists of patterns, each given once";
                TokenFault::Claims(Denied::new(Kind::BadToken, detail))
            }
            _ => TokenFault::Signature,
        })?;
        claims.claims.check(&self.expectations).map_err(TokenFault::Claims)
    }
}

/// The result of trying some keys on a token.
enum KeyMatch {
    /// One of the keys has signed the token, or its `kid` says that it should have.
    Decided(Result<Claims, Denied>),
    /// Keys match the header of the token, and none of them has signed it.
    BadSignature,
    /// No key matches the header of the token.
    NoMatchingKey,
}

enum TokenFault {
    Signature,
    Claims(Denied),
}

/// Parses the header, and refuses critical extensions, which would have to be understood.
fn parse_header(token: &str) -> Result<Header, Denied> {
    let bad = |what: &str| Denied::new(Kind::BadToken, format!("the token is invalid: {what}"));
    if token.len() > TOKEN_MAX {
        return Err(bad(&format!("it is longer than {TOKEN_MAX} bytes")));
    }
    let header = decode_header(token)
        .map_err(|_| bad("it is not a JWT with algorithm HS256, RS256, ES256 or EdDSA"))?;
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(bad("its header has crit, enc or zip, which are not supported"));
    }
    Ok(header)
}

fn no_matching_key(header: &Header) -> Denied {
    let with = if header.kid.is_some() { " and its kid" } else { "" };
    let detail =
        format!("the token is invalid: there is no key for its algorithm{with}; see [tokens]");
    Denied::new(Kind::BadToken, detail)
}

fn bad_signature_denied() -> Denied {
    Denied::new(Kind::BadToken, "the token is invalid: its signature is of another key")
}
