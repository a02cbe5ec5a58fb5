//! Unexpected responses: where they come from, and what to do about them.

use http::{StatusCode, header};
use serde_json::Value;

use crate::probe_error::ProbeError;

#[cfg(test)]
mod tests;

/// Advice if a credential is required.
const NAME_A_TOKEN: &str =
    "pass a token or API key that allows it (--token), and a channel (--channel)";

/// Advice if a response cannot be from Tricast.
pub(crate) const NOT_A_GATEWAY: &str =
    "the server is not a Tricast gateway; check whether host, port and path are right";

/// Phrases by which servers report a plain request on a TLS port, in lower case: nginx, Apache, Go.
const SPEAKS_TLS: [&str; 3] = [
    "plain http request was sent to https port",
    "speaking plain http to an ssl-enabled",
    "http request to an https server",
];

/// An unexpected response.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// The target, if it is a redirect.
    pub(crate) location: Option<String>,
}

impl Refusal {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status();
        // If the body breaks off, the status still counts.
        let text = response.text().await.unwrap_or_default();
        Self { status, text, location }
    }

    pub(crate) fn message(&self) -> String {
        match detail(&self.text) {
            nothing if nothing.is_empty() => format!("answered with {}", self.status),
            detail => format!("answered with {}: {detail}", self.status),
        }
    }

    /// Whether a proxy has answered that could not reach the gateway.
    pub(crate) fn is_gateway_unreachable(&self) -> bool {
        // 520 to 530 are Cloudflare's.
        problem(&self.text).is_none() && matches!(self.status.as_u16(), 502..=504 | 520..=530)
    }

    /// Converts the response to a request for `path` to an error. `authorized` tells whether the
    /// request had a token.
    pub(crate) fn to_error(&self, what: &str, path: &str, authorized: bool) -> ProbeError {
        let advice = match problem(&self.text) {
            _ if self.status.is_redirection() => self.redirect_advice(path),
            Some(kind) => self.gateway_advice(&kind, authorized),
            None => self.foreign_advice(authorized),
        };
        ProbeError::new(format!("{what} was {}", self.message()), advice)
    }

    fn redirect_advice(&self, path: &str) -> String {
        match self.location.as_deref() {
            // The URL to examine is the target without the path.
            Some(there) => {
                let there =
                    there.strip_suffix(path).filter(|base| !base.is_empty()).unwrap_or(there);
                format!("it redirects to {there}; examine that address")
            }
            None => {
                "it redirects without a location; examine the address that it should redirect to"
                    .to_owned()
            }
        }
    }

    fn gateway_advice(&self, kind: &str, authorized: bool) -> String {
        let advice = match self.status.as_u16() {
            401 if authorized && kind == "token-missing" => {
                "the token did not arrive: something in between drops the header Authorization"
            }
            401 if authorized => {
                "the token was refused, or something in between drops the header Authorization"
            }
            401 | 403 => NAME_A_TOKEN,
            404 if kind == "not-found" => {
                "is a base path missing (base_path)? Add it after the host"
            }
            429 => {
                "that is a rate limit, and an examination publishes about a hundred messages: \
                 raise it ([rates]), or use a token or channel with a higher one"
            }
            503 => "this is the gateway's own response: examine it again later",
            _ => "this is the gateway's own response: correct that, and examine it again",
        };
        advice.to_owned()
    }

    fn foreign_advice(&self, authorized: bool) -> String {
        let text = self.text.to_lowercase();
        let advice = match self.status.as_u16() {
            400 if SPEAKS_TLS.iter().any(|phrase| text.contains(phrase)) => {
                "this port speaks TLS; try https://"
            }
            401 if authorized => {
                "the token was refused, or something in between drops the header Authorization, or \
                 requires a login of its own"
            }
            401 | 403 => {
                return format!(
                    "{NAME_A_TOKEN}; or something in between denies access: have it let these \
                     paths through"
                );
            }
            429 => {
                "that is a rate limit of something in between: raise it for this address, or try \
                 again later"
            }
            _ if self.is_gateway_unreachable() => {
                "the proxy does not reach the gateway: check whether the gateway runs, and whether \
                 the proxy has the right host and port"
            }
            _ => NOT_A_GATEWAY,
        };
        advice.to_owned()
    }
}

/// Returns the detail of a problem document, or the beginning of another text.
pub(crate) fn detail(text: &str) -> String {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    match document["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect(),
    }
}

/// Returns the problem kind of a problem document.
pub(crate) fn problem(text: &str) -> Option<String> {
    let document: Value = serde_json::from_str(text).ok()?;
    Some(document["type"].as_str()?.strip_prefix("urn:tricast:")?.to_owned())
}
