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
    own: Vec<TokenKey>,
    remote: Option<Jwks>,
    expectations: Expectations,
}

impl Keyring {
    /// With keys of `own`, and those that `remote` fetches.
    pub fn new(own: Vec<TokenKey>, remote: Option<Jwks>, expectations: Expectations) -> Self {
        Self { own, remote, expectations }
    }

    /// Whether there is any way to check a token.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.remote.is_none()
    }

    /// Checks a token. Waits only where a key has to be fetched for it.
    ///
    /// # Errors
    /// When it does not hold, or its key cannot be had. The error never repeats the token.
    pub async fn check(&self, token: &str) -> Result<Claims, Denied> {
        let header = header_of(token)?;
        let mut forged = match self.try_keys(token, &header, &self.own) {
            Tried::Known(checked) => return checked,
            Tried::Forged => true,
            Tried::Unknown => false,
        };
        if let Some(remote) = &self.remote {
            if let Tried::Known(checked) = self.try_keys(token, &header, &remote.keys()) {
                return checked;
            }
            // Its key may be newer than ours.
            if remote.refresh().await == Freshness::Unavailable {
                let detail = "the gateway cannot fetch the keys of tokens.jwks_url now; try again";
                return Err(Denied::new(Kind::KeysUnavailable, detail));
            }
            match self.try_keys(token, &header, &remote.keys()) {
                Tried::Known(checked) => return checked,
                tried => forged |= matches!(tried, Tried::Forged),
            }
        }
        Err(if forged { forged_token() } else { no_key(&header) })
    }

    fn try_keys(&self, token: &str, header: &Header, keys: &[TokenKey]) -> Tried {
        let mut tried = Tried::Unknown;
        for key in keys {
            let by_name = key.id.is_some() && key.id == header.kid;
            let other = key.id.is_some() && header.kid.is_some() && !by_name;
            if other || jsonwebtoken::Algorithm::from(key.algorithm) != header.alg {
                continue;
            }
            match self.check_with(token, key) {
                Err(Wrong::Signature) if by_name => return Tried::Known(Err(forged_token())),
                Err(Wrong::Signature) => tried = Tried::Forged,
                Err(Wrong::Claims(denied)) => return Tried::Known(Err(denied)),
                Ok(claims) => return Tried::Known(Ok(claims)),
            }
        }
        tried
    }

    fn check_with(&self, token: &str, key: &TokenKey) -> Result<Claims, Wrong> {
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
                Wrong::Claims(Denied::new(Kind::BadToken, detail))
            }
            _ => Wrong::Signature,
        })?;
        claims.claims.check(&self.expectations).map_err(Wrong::Claims)
    }
}

/// What some keys say of a token.
enum Tried {
    /// One of them has signed it, or should have by its name.
    Known(Result<Claims, Denied>),
    /// None of those that may have signed it has.
    Forged,
    /// None of them may have signed it.
    Unknown,
}

enum Wrong {
    Signature,
    Claims(Denied),
}

/// The header, without anything that we would have to understand and do not.
fn header_of(token: &str) -> Result<Header, Denied> {
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

fn no_key(header: &Header) -> Denied {
    let with = if header.kid.is_some() { " and its kid" } else { "" };
    let detail =
        format!("the token does not hold: there is no key for its algorithm{with}; see [tokens]");
    Denied::new(Kind::BadToken, detail)
}

fn forged_token() -> Denied {
    Denied::new(Kind::BadToken, "the token does not hold: its signature is of another key")
}
