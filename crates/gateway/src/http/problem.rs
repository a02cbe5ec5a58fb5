//! Refusals as `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tricast_core::{Kind, MessageId};

use crate::http::kinds;

/// Names the kind of a refusal. It reaches clients that the document does not: proxies drop or cut
/// the body of a refused handshake, and HEAD has none.
pub(crate) const PROBLEM_HEADER: HeaderName = HeaderName::from_static("tricast-problem");

/// `Retry-After` of a temporary refusal that does not say another, in seconds.
const DEFAULT_RETRY_AFTER: u64 = 2;

/// A refusal of an HTTP request.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    parameter: Option<String>,
    retry_after: Option<Duration>,
    progress: Option<Box<PublishProgress>>,
}

/// The messages of a body of JSON lines that were published, up to the first one that was not.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Published {
    /// Number of messages.
    pub(crate) published: u64,
    /// Id of the first of them.
    pub(crate) first: Option<MessageId>,
    /// Id of the last of them.
    pub(crate) last: Option<MessageId>,
}

/// The progress of a body of JSON lines when it was refused.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublishProgress {
    /// Number of the first line that is not confirmed, from 1.
    pub(crate) line: u64,
    #[serde(flatten)]
    pub(crate) published: Published,
    /// Numbers of later lines that were published, or may have been.
    pub(crate) unsettled: Vec<u64>,
}

impl Problem {
    /// Creates a refusal. `detail` says what is wrong and what to do next.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), parameter: None, retry_after: None, progress: None }
    }

    /// Names the query parameter that is at fault.
    pub(crate) fn for_parameter(mut self, parameter: impl Into<String>) -> Self {
        self.parameter = Some(parameter.into());
        self
    }

    /// Adds the progress of a body of JSON lines.
    pub(crate) fn with_progress(mut self, progress: PublishProgress) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Returns what is wrong, and what to do next.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the kind and the detail, for a wire without statuses.
    pub(crate) fn into_parts(self) -> (Kind, String) {
        (self.kind, self.detail)
    }

    /// Returns the stable kind.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns whether a later attempt may succeed.
    pub(crate) fn is_temporary(&self) -> bool {
        let status = status(self.kind);
        status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Returns the time until such an attempt, if it is known.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl<E: tricast_core::Problem> From<E> for Problem {
    fn from(error: E) -> Self {
        Self { retry_after: error.retry_after(), ..Self::new(error.kind(), error.to_string()) }
    }
}

fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::TokenMissing | Kind::BadToken | Kind::TokenExpired | Kind::BadKey => {
            StatusCode::UNAUTHORIZED
        }
        Kind::Forbidden | kinds::FORBIDDEN_ORIGIN | Kind::OnlineHidden | Kind::PresenceOff => {
            StatusCode::FORBIDDEN
        }
        Kind::NobodyOnline | kinds::NOT_FOUND | kinds::UNKNOWN_MODEL | kinds::UNKNOWN_RUN => {
            StatusCode::NOT_FOUND
        }
        kinds::METHOD_NOT_ALLOWED => StatusCode::METHOD_NOT_ALLOWED,
        kinds::BODY_TIMEOUT => StatusCode::REQUEST_TIMEOUT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        kinds::BAD_MEDIA_TYPE | kinds::CONTENT_CODING => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        kinds::TRANSFER_CODING => StatusCode::NOT_IMPLEMENTED,
        kinds::UPGRADE_REQUIRED => StatusCode::UPGRADE_REQUIRED,
        kinds::RUN_ACTIVE => StatusCode::CONFLICT,
        kinds::PROMPT_MISMATCH => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooFast
        | kinds::TOO_MANY_RUNS
        | Kind::TooManyFromAddress
        | Kind::TooManyOfUser
        | Kind::TooManySubscribers => StatusCode::TOO_MANY_REQUESTS,
        Kind::TooManyConnections
        | Kind::TooManyChannels
        | Kind::KeysUnavailable
        | Kind::Overloaded
        | Kind::Draining
        | Kind::Unavailable
        | Kind::LogFull
        | Kind::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Document<'a> {
            r#type: String,
            title: String,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            parameter: Option<&'a str>,
            #[serde(flatten)]
            progress: Option<Box<PublishProgress>>,
        }
        let is_temporary = self.is_temporary();
        let status = status(self.kind);
        let document = Document {
            r#type: self.kind.urn(),
            title: self.kind.name().replace('-', " "),
            status: status.as_u16(),
            detail: &self.detail,
            parameter: self.parameter.as_deref(),
            progress: self.progress,
        };
        let mut body = serde_json::to_vec(&document).unwrap_or_default();
        body.push(b'\n');
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if is_temporary {
            // Whole seconds (RFC 9110 §10.2.3), rounded up so that no client returns too early.
            let exact = self.retry_after.map(|wait| wait.as_millis().div_ceil(1000) as u64);
            let seconds = exact.unwrap_or(DEFAULT_RETRY_AFTER);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3: no error code for a request without a credential.
            let challenge = match self.kind {
                Kind::TokenMissing => "Bearer realm=\"tricast\"",
                _ => "Bearer realm=\"tricast\", error=\"invalid_token\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if kinds::OF_PROMPTS.contains(&self.kind) {
            // The SDKs of OpenAI repeat a 409 and a 429 unless they are told not to.
            let value = if is_temporary { "true" } else { "false" };
            headers.insert("x-should-retry", HeaderValue::from_static(value));
        }
        if self.kind == kinds::CONTENT_CODING {
            // RFC 9110 §12.5.3: the codings that the client may use instead.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        mark(&mut response, self.kind);
        response
    }
}

/// Marks a response as a refusal of this kind: for the client, and for the layers that count
/// refusals.
pub(crate) fn mark(response: &mut Response, kind: Kind) {
    // The names of kinds are ASCII.
    response.headers_mut().insert(PROBLEM_HEADER, HeaderValue::from_static(kind.name()));
    response.extensions_mut().insert(kind);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_kind_is_named_in_the_header_as_in_the_document() {
        for kind in Kind::ALL.iter().chain(kinds::ALL).copied() {
            let response = Problem::new(kind, "what to do next").into_response();
            let named = response.headers()[PROBLEM_HEADER].clone();
            assert_eq!(named, kind.name(), "{kind:?}");
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
            let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(document["type"], format!("urn:tricast:{}", kind.name()));
        }
    }
}
