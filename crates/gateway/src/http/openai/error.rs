//! Refusals in OpenAI's form.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tricast_llm::{ErrorKind, RunEnd, openai};

use crate::http::problem::Problem;

/// The field by which the SDKs of OpenAI know whether to repeat a request.
const SHOULD_RETRY: &str = "x-should-retry";

/// A refusal of a request to this interface.
#[derive(Debug)]
pub(crate) struct OpenAiError(Box<Response>);

impl From<Problem> for OpenAiError {
    /// Keeps the status and the fields, and spells the document as OpenAI does.
    fn from(problem: Problem) -> Self {
        let (kind, is_temporary) = (problem.kind(), problem.is_temporary());
        let detail = problem.detail().to_owned();
        let mut response = problem.into_response();
        let document =
            openai::error_document(type_of(response.status()), Some(kind.name()), &detail);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(document);
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let retry = if is_temporary { "true" } else { "false" };
        fields.insert(SHOULD_RETRY, HeaderValue::from_static(retry));
        Self(Box::new(response))
    }
}

impl OpenAiError {
    /// Tells of a run that has ended, and is not complete. The upstream was asked, so a client
    /// library repeats the request only if that was refused there without an answer.
    pub(crate) fn of_end(end: &RunEnd) -> Self {
        let status =
            StatusCode::from_u16(openai::status_of(end)).unwrap_or(StatusCode::BAD_GATEWAY);
        let (code, message) = match &end.error {
            Some(error) => {
                (error.code.as_deref().unwrap_or(error.kind.name()), error.message.as_str())
            }
            None => ("cancelled", "the answer was cancelled"),
        };
        let document = openai::error_document(type_of(status), Some(code), message);
        let fields =
            [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, fields, document).into_response();
        let kind = end.error.as_ref().map(|error| error.kind);
        let unpaid = [ErrorKind::Suspended, ErrorKind::Crowded, ErrorKind::Draining];
        let may_retry = status == StatusCode::TOO_MANY_REQUESTS
            || kind.is_some_and(|kind| unpaid.contains(&kind));
        let fields = response.headers_mut();
        let retry = if may_retry { "true" } else { "false" };
        fields.insert(SHOULD_RETRY, HeaderValue::from_static(retry));
        if let Some(wait) = end.error.as_ref().and_then(|error| error.retry_after) {
            let seconds = wait.as_millis().div_ceil(1000) as u64;
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Self(Box::new(response))
    }
}

/// Returns the type that OpenAI has for errors of this status.
fn type_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

impl IntoResponse for OpenAiError {
    fn into_response(self) -> Response {
        *self.0
    }
}
