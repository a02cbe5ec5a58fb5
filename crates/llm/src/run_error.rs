//! Why a run has ended without a complete answer, as its listeners are told.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{Failure, KeyGuard};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $retryable:literal;)*) => {
        /// The kind of an error that ends a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// All kinds.
            pub const ALL: &[ErrorKind] = &[$(ErrorKind::$kind),*];

            /// Returns the name, which is the `type` of the error in the last message of a run.
            pub fn name(self) -> &'static str {
                match self {
                    $(ErrorKind::$kind => $name,)*
                }
            }

            /// Whether the same prompt may succeed later.
            pub fn is_retryable(self) -> bool {
                match self {
                    $(ErrorKind::$kind => $retryable,)*
                }
            }
        }
    };
}

kinds! {
    /// The upstream has reported an error, or has answered 408, 409, 429 or 5xx to the last try.
    Upstream = "upstream", true;
    /// The upstream has refused the request with another 4xx status.
    Rejected = "rejected", false;
    /// The upstream has not accepted the gateway's credentials.
    Misconfigured = "misconfigured", false;
    /// The upstream has answered with a redirect, which is never followed.
    Redirect = "redirect", false;
    /// No connection to the upstream.
    Unreachable = "unreachable", true;
    /// The upstream has failed too often, and is not called for a while.
    Suspended = "suspended", true;
    /// As many calls of the upstream are under way, and wait, as is allowed.
    Crowded = "crowded", true;
    /// The upstream has ended its stream before the answer had ended.
    Truncated = "truncated", true;
    /// The connection broke before the answer had ended.
    Cut = "cut", true;
    /// The upstream has sent something that is no chat completion.
    Malformed = "malformed", true;
    /// The answer has more bytes than are allowed.
    TooLong = "too-long", false;
    /// The upstream has sent the gateway's own key.
    Key = "key", false;
    /// No sign of life for too long, after content had come.
    Stalled = "stalled", true;
    /// No content for too long.
    Slow = "slow", true;
    /// The whole run took too long.
    Timeout = "timeout", true;
    /// The log did not take the answer.
    Log = "log", true;
    /// The gateway ended without a word, and another one has found the run.
    Lost = "lost", true;
    /// The gateway was shut down.
    Draining = "draining", true;
    /// The gateway has made an error.
    Internal = "internal", true;
}

/// The error that has ended a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// Its kind.
    pub kind: ErrorKind,
    /// The upstream's HTTP status, if that is the reason.
    pub status: Option<u16>,
    /// The upstream's own code.
    pub code: Option<String>,
    /// What has happened, for the user. It has no secrets.
    pub message: String,
    /// When the upstream wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// What an upstream says of an error.
#[derive(Debug, Default)]
pub(crate) struct UpstreamSays {
    pub(crate) message: Option<String>,
    pub(crate) code: Option<String>,
}

impl RunError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, status: None, code: None, message: message.into(), retry_after: None }
    }

    /// Makes the error of an answer that is not complete. `guard` scrubs what the upstream says.
    pub(crate) fn of_failure(failure: Failure, guard: &KeyGuard) -> Self {
        let (kind, message) = match failure {
            Failure::Upstream(error) => {
                let says = error.as_deref().map(UpstreamSays::read).unwrap_or_default();
                return says.into_error(ErrorKind::Upstream, None, guard);
            }
            Failure::Truncated => {
                (ErrorKind::Truncated, "the model's service ended the stream before the answer")
            }
            Failure::Cut => {
                (ErrorKind::Cut, "the connection to the model's service broke before the end")
            }
            Failure::TooLong => (
                ErrorKind::TooLong,
                "the answer is longer than allowed (relay.answer_bytes); ask for less",
            ),
            Failure::Key => (ErrorKind::Key, "the answer held a secret, and was withdrawn"),
            Failure::Malformed(error) => {
                return Self::new(ErrorKind::Malformed, guard.scrub(&error));
            }
        };
        Self::new(kind, message)
    }

    /// Whether the same prompt may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl UpstreamSays {
    /// Reads the JSON of an error: an object with a message and a code, or a text.
    pub(crate) fn read(error: &str) -> Self {
        match serde_json::from_str(error) {
            Ok(Value::String(message)) => Self { message: Some(message), code: None },
            Ok(Value::Object(members)) => {
                let text = |name: &str| match members.get(name)? {
                    Value::String(text) if !text.is_empty() => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                };
                Self { message: text("message"), code: text("code").or_else(|| text("type")) }
            }
            _ => Self::default(),
        }
    }

    /// Reads the body of a response with an error status. Pages of proxies say nothing to a user.
    pub(crate) fn read_body(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Option<Value>,
        }
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        // Some services wrap the error in a list.
        let first: Option<Body> = match text.starts_with('[') {
            true => serde_json::from_str::<Vec<Body>>(text).ok().and_then(|mut all| all.pop()),
            false => serde_json::from_str(text).ok(),
        };
        match first.and_then(|body| body.error) {
            Some(error) => Self::read(&error.to_string()),
            None if text.starts_with('{') => Self::read(text),
            None => Self::default(),
        }
    }

    /// Makes an error of it, with what it says scrubbed.
    pub(crate) fn into_error(
        self,
        kind: ErrorKind,
        status: Option<u16>,
        guard: &KeyGuard,
    ) -> RunError {
        let message = match (self.message, status) {
            (Some(message), _) => guard.scrub(&message),
            (None, Some(status)) => format!("the model's service has answered with {status}"),
            (None, None) => "the model's service has reported an error".to_owned(),
        };
        let code = self.code.map(|code| guard.scrub(&code));
        RunError { kind, status, code, message, retry_after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errors_of_services_are_read() {
        for (body, message, code) in [
            (r#"{"error":{"message":"no","type":"t","code":"c"}}"#, Some("no"), Some("c")),
            (r#"{"error":{"message":"no","type":"t","code":null}}"#, Some("no"), Some("t")),
            (r#"{"error":{"code":429,"message":"slow","status":"X"}}"#, Some("slow"), Some("429")),
            (r#"[{"error":{"code":400,"message":"bad"}}]"#, Some("bad"), Some("400")),
            (r#"{"error":"model not found"}"#, Some("model not found"), None),
            (r#"{"object":"error","message":"m","code":40}"#, Some("m"), Some("40")),
            ("<html><h1>502 Bad Gateway</h1>", None, None),
            (r#"{"detail":"x"}"#, None, None),
            ("", None, None),
        ] {
            let says = UpstreamSays::read_body(body.as_bytes());
            assert_eq!((says.message.as_deref(), says.code.as_deref()), (message, code), "{body}");
        }
    }

    #[test]
    fn what_is_told_of_an_error_has_no_key() {
        let guard = KeyGuard::new(&["canary-0123456789".to_owned().into()]);
        let error = r#"{"message":"no canary-0123456789","code":"sk-canary-0123456789"}"#;
        let error = RunError::of_failure(Failure::Upstream(Some(error.to_owned())), &guard);
        assert_eq!(
            (&*error.message, error.code.as_deref()),
            ("no (hidden)", Some("(hidden)(hidden)"))
        );
        let bad = Failure::Malformed("at canary-0123456789".to_owned());
        assert!(!RunError::of_failure(bad, &guard).message.contains("canary"));
    }
}
