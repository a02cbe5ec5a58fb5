//! Claims of a token (RFC 7519 §4.1, and our own: PROTOCOL.md §9).

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tricast_core::{ChannelPattern, Denied, Kind, UserId, unix_millis};

use crate::ModelNames;

/// Largest `info`, in bytes: every reader of the presence list receives it.
const INFO_MAX: usize = 1024;

/// Most patterns in one claim: each is tried on each request.
const PATTERNS_MAX: usize = 100;

/// The claims of a verified token.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The user; without one the bearer is anonymous.
    pub user: Option<UserId>,
    /// Channels that the bearer may subscribe to and read.
    pub subscribe: Arc<[ChannelPattern]>,
    /// Channels that the bearer may publish to.
    pub publish: Arc<[ChannelPattern]>,
    /// Channels in which the bearer may prompt.
    pub prompt: Arc<[ChannelPattern]>,
    /// The models that the bearer may ask; `None` means all.
    pub models: Option<ModelNames>,
    /// End of the token, in milliseconds since 1970.
    pub expires: u64,
    /// What others see of the user, as JSON.
    pub info: Option<Arc<str>>,
}

/// The values that a token must have beside its rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// The `aud` that a token must name; if empty, a token must have none.
    pub audience: String,
    /// The `iss` that a token must have; if empty, any.
    pub issuer: String,
    /// Tolerance for the issuer's clock, in milliseconds.
    pub leeway: u64,
}

/// The claims as the token has them, not yet checked.
#[derive(Deserialize)]
pub(crate) struct RawClaims {
    sub: Option<String>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    prompt: Vec<String>,
    models: Option<Vec<String>>,
    exp: Option<f64>,
    nbf: Option<f64>,
    aud: Option<Audience>,
    iss: Option<String>,
    info: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl RawClaims {
    /// Checks everything but the signature.
    pub(crate) fn check(self, expected: &Expectations) -> Result<Claims, Denied> {
        let now = unix_millis();
        let expires = self.exp.map(to_millis).ok_or_else(|| {
            bad("it has no exp; add one, in seconds since 1970 (RFC 7519 section 4.1.4)")
        })?;
        if expires.saturating_add(expected.leeway) <= now {
            let ago = (now - expires) / 1000;
            let detail = match expires {
                0 => "the token has expired: its exp is 1970-01-01 or earlier; exp counts seconds \
                      since 1970"
                    .to_owned(),
                _ => format!("the token expired {ago} s ago; get a new one"),
            };
            return Err(Denied::new(Kind::TokenExpired, detail));
        }
        if self
            .nbf
            .map(to_millis)
            .is_some_and(|begins| begins > now.saturating_add(expected.leeway))
        {
            let detail = "it is not valid yet (nbf); compare the clocks of both machines";
            return Err(bad(detail));
        }
        let audience = |name: &str| match &self.aud {
            Some(Audience::One(one)) => one == name,
            Some(Audience::Several(several)) => several.iter().any(|one| one == name),
            None => false,
        };
        match expected.audience.as_str() {
            // RFC 7519 §4.1.3: a recipient that is not named must refuse.
            "" if self.aud.is_some() => {
                return Err(bad(
                    "it has an aud, and tokens.audience is not set; set it to the aud",
                ));
            }
            "" => {}
            name if audience(name) => {}
            _ => return Err(bad("its aud is not tokens.audience")),
        }
        if !expected.issuer.is_empty() && self.iss.as_deref() != Some(expected.issuer.as_str()) {
            return Err(bad("its iss is not tokens.issuer"));
        }
        let user = self.sub.map(|sub| sub.parse::<UserId>()).transpose();
        let user = user.map_err(|error| bad(&format!("sub: {error}")))?;
        let invalid = |what: String| bad(&what);
        Ok(Claims {
            user,
            subscribe: parse_patterns("subscribe", &self.subscribe).map_err(invalid)?,
            publish: parse_patterns("publish", &self.publish).map_err(invalid)?,
            prompt: parse_patterns("prompt", &self.prompt).map_err(invalid)?,
            models: self.models.map(ModelNames::parse).transpose().map_err(invalid)?,
            expires,
            info: parse_info(self.info).map_err(invalid)?,
        })
    }
}

fn bad(what: &str) -> Denied {
    Denied::new(Kind::BadToken, format!("the token is invalid: {what}"))
}

/// Converts a NumericDate (RFC 7519 §2) to milliseconds. A time before 1970 is past like 1970
/// itself, and one beyond the range of the clock never comes.
pub(crate) fn to_millis(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// Parses the patterns of a list, or says what is wrong with it.
pub(crate) fn parse_patterns(
    list: &str,
    texts: &[String],
) -> Result<Arc<[ChannelPattern]>, String> {
    if texts.len() > PATTERNS_MAX {
        return Err(format!("{list} has more than {PATTERNS_MAX} patterns"));
    }
    let parsed: Result<Vec<ChannelPattern>, _> = texts.iter().map(|text| text.parse()).collect();
    parsed.map(Arc::from).map_err(|error| format!("{list}: {error}"))
}

/// Checks the `info` of a user, or says what is wrong with it. Line breaks between parts of the
/// JSON are removed; in strings they are escaped anyway.
pub(crate) fn parse_info(info: Option<Box<RawValue>>) -> Result<Option<Arc<str>>, String> {
    let Some(info) = info.filter(|info| info.get() != "null") else { return Ok(None) };
    if info.get().len() > INFO_MAX {
        return Err(format!("info is longer than {INFO_MAX} bytes"));
    }
    Ok(Some(info.get().replace(['\n', '\r'], " ").into()))
}
