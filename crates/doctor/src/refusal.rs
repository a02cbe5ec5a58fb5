//! Unexpected responses: where they come from, and what to do about them.

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use crate::probe_error::ProbeError;

#[cfg(test)]
mod tests;

/// Advice if a credential is required.
const NAME_A_TOKEN: &str =
    "pass a token or API key that allows it (--token), and a channel (--channel)";

/// Advice if a response cannot be from Tricast.
pub(crate) const NOT_A_GATEWAY: &str = "the response does not come from a Tricast gateway; check \
     whether host, port and path are right, and whether a proxy in between passes this path to the \
     gateway";

/// The header by which the gateway names its problem. It reaches a client where a proxy drops the
/// problem document.
const PROBLEM_HEADER: &str = "tricast-problem";

/// The beginning of the type of each of the gateway's problems.
const PROBLEM_TYPE: &str = "urn:tricast:";

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
    text: String,
    /// The target, if it is a redirect.
    location: Option<String>,
    /// The kind of the gateway's problem, as the header names it.
    named: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, text: String) -> Self {
        let field = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let location = field(header::LOCATION.as_str());
        let named = named_in(headers).map(str::to_owned);
        Self { status, text, location, named }
    }

    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        // If the body breaks off, the status still counts.
        let text = response.text().await.unwrap_or_default();
        Self::new(status, &headers, text)
    }

    /// Returns the kind of the gateway's problem, if the response comes from the gateway. The
    /// header comes first, because proxies drop or cut the document.
    pub(crate) fn problem(&self) -> Option<String> {
        self.named.clone().or_else(|| problem(&self.text))
    }

    pub(crate) fn message(&self) -> String {
        match (detail(&self.text), self.problem()) {
            (Some(detail), _) => format!("answered with {}: {detail}", self.status),
            (None, Some(problem)) => format!("answered with {} ({problem})", self.status),
            (None, None) => match beginning(&self.text) {
                nothing if nothing.is_empty() => format!("answered with {}", self.status),
                text => format!("answered with {}: {text}", self.status),
            },
        }
    }

    /// Whether a proxy has answered that could not reach the gateway.
    pub(crate) fn is_gateway_unreachable(&self) -> bool {
        // 520 to 530 are Cloudflare's.
        self.problem().is_none() && matches!(self.status.as_u16(), 502..=504 | 520..=530)
    }

    /// Converts the response to a request for `path` to an error. `authorized` tells whether the
    /// request had a token.
    pub(crate) fn to_error(&self, what: &str, path: &str, authorized: bool) -> ProbeError {
        let advice = match self.problem() {
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
                let there = there.split('?').next().unwrap_or(there);
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
            // The gateway has read a credential, so the header has arrived.
            401 if authorized => "the gateway refused the token: pass another one (tricast token)",
            403 if authorized => {
                "the token does not allow this: pass one that may subscribe and publish, and a \
                 channel that it names (--channel)"
            }
            401 | 403 => NAME_A_TOKEN,
            // The gateway has said which part of the URL is wrong.
            404 if kind == "not-found" && detail(&self.text).is_some() => {
                "correct the URL, and examine it again"
            }
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
                "something in between got no response from the gateway, or is out of service \
                 itself: check whether the gateway runs, and whether the proxy has the right host \
                 and port; its log says more"
            }
            _ => NOT_A_GATEWAY,
        };
        advice.to_owned()
    }
}

/// Returns the detail of a problem document.
fn detail(text: &str) -> Option<String> {
    let document: Value = serde_json::from_str(text).ok()?;
    Some(document["detail"].as_str()?.to_owned())
}

/// Returns the beginning of a text, in one line.
fn beginning(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect()
}

/// Returns the problem kind of a problem document, even if the end of the document is missing.
fn problem(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(PROBLEM_TYPE)?;
    let name = rest.split(|letter: char| !letter.is_ascii_lowercase() && letter != '-').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns the kind of the gateway's problem that the head of a response names.
pub(crate) fn named_in(headers: &HeaderMap) -> Option<&str> {
    headers.get(PROBLEM_HEADER)?.to_str().ok()
}
