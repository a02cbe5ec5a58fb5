//! Prompts over HTTP: `POST /llm`, `POST /llm/{channel}`, and `/llm/runs`.

pub(crate) mod prompt;
pub(crate) mod prompt_request;
pub(crate) mod run_stream;
pub(crate) mod runs;

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use tricast_core::Kind;

/// The field by which the SDKs of OpenAI are told whether to repeat a request.
const SHOULD_RETRY: &str = "x-should-retry";

/// Says of each refusal of a prompt whether to repeat it, also where its kind is one of other
/// requests.
pub(crate) async fn say_whether_to_retry(mut response: Response) -> Response {
    let is_refusal = response.extensions().get::<Kind>().is_some();
    let headers = response.headers_mut();
    if is_refusal && !headers.contains_key(SHOULD_RETRY) {
        let is_temporary = headers.contains_key(header::RETRY_AFTER);
        let value = if is_temporary { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(value));
    }
    response
}
