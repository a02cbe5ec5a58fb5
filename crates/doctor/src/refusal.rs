//! An answer other than the one that was asked for: who gave it, and what to do about it.

use http::{StatusCode, header};
use serde_json::Value;

use crate::probe_error::ProbeError;

#[cfg(test)]
mod tests;

/// What to do where somebody has to say who he is.
const NAME_A_TOKEN: &str = "name a token or API key that may (--token), and a channel (--channel)";

/// That which every Tricast would have answered is not there.
pub(crate) const NOT_A_GATEWAY: &str =
    "whatever answers there is no Tricast gateway; see whether host, port and path are right";

/// How servers say that their port speaks TLS, in small letters: nginx, Apache, and what is written in Go.
const SPEAKS_TLS: [&str; 3] = [
    "plain http request was sent to https port",
    "speaking plain http to an ssl-enabled",
    "http request to an https server",
];

/// An answer that is of no use.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// Where it redirects to.
    pub(crate) location: Option<String>,
}

impl Refusal {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status();
        // A body that breaks off changes nothing about the status.
        let text = response.text().await.unwrap_or_default();
        Self { status, text, location }
    }

    pub(crate) fn message(&self) -> String {
        match detail(&self.text) {
            nothing if nothing.is_empty() => format!("answered with {}", self.status),
            detail => format!("answered with {}: {detail}", self.status),
        }
    }

    /// Whether somebody has answered who has not reached the gateway.
    pub(crate) fn is_gateway_unreachable(&self) -> bool {
        // The latter are Cloudflare's own.
        problem(&self.text).is_none() && matches!(self.status.as_u16(), 502..=504 | 520..=530)
    }

    /// As the answer to a request for `path`, with or without a token.
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
            // The address that is examined is the one before the path.
            Some(there) => {
                let there =
                    there.strip_suffix(path).filter(|base| !base.is_empty()).unwrap_or(there);
                format!("it redirects to {there}; examine that address")
            }
            None => {
                "it redirects, and does not say where; examine the address behind it".to_owned()
            }
        }
    }

    fn gateway_advice(&self, kind: &str, authorized: bool) -> String {
        let advice = match self.status.as_u16() {
            401 if authorized && kind == "token-missing" => {
                "the token did not arrive: something in between drops Authorization"
            }
            401 if authorized => {
                "the token was not taken, or something in between drops Authorization"
            }
            401 | 403 => NAME_A_TOKEN,
            404 if kind == "not-found" => {
                "is a base path missing (base_path)? It belongs behind the host"
            }
            429 => {
                "that is a rate, and an examination publishes about a hundred messages: raise it ([rates]), or name a token or channel with a higher one"
            }
            503 => "the gateway says so itself: examine it again when that is over",
            _ => "the gateway says so itself: examine it again when that is mended",
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
                "the token was not taken, or something in between drops Authorization, or wants a login of its own"
            }
            401 | 403 => {
                return format!(
                    "{NAME_A_TOKEN}; or it is something in between that says so, and has to let these paths through"
                );
            }
            429 => {
                "that is a rate of something in between: raise it for this address, or ask again later"
            }
            _ if self.is_gateway_unreachable() => {
                "the proxy does not reach the gateway; see whether it runs, and whether the proxy asks the right host and port"
            }
            _ => NOT_A_GATEWAY,
        };
        advice.to_owned()
    }
}

/// What a problem document says, or the beginning of something else.
pub(crate) fn detail(text: &str) -> String {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    match document["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect(),
    }
}

/// The name in a problem document's type.
pub(crate) fn problem(text: &str) -> Option<String> {
    let document: Value = serde_json::from_str(text).ok()?;
    Some(document["type"].as_str()?.strip_prefix("urn:tricast:")?.to_owned())
}
