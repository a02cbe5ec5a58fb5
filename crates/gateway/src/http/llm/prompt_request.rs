//! What a prompt asks for: its body, the stream that its response is to be, and its options.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use tricast_core::{Kind, Wire, idempotency_id};
use tricast_llm::{ChatRequest, Leave};

use crate::{
    http::{
        body::{self, Media},
        kinds, negotiation,
        problem::Problem,
        query::Query,
        state::App,
    },
    relay::hash_of,
};

/// The query parameters of a prompt.
pub(crate) const PARAMETERS: [&str; 5] = ["model", "client", "user", "token", "format"];

/// Reads the body of a prompt: the JSON of a chat completion, or the text of one message, whose
/// model the query names. Returns it with the hash of the body.
pub(crate) async fn read_request(
    app: &App,
    query: &Query,
    request: &mut Request,
) -> Result<(ChatRequest, [u8; 32]), Problem> {
    let media = Media::of(request.headers())?;
    let settings = app.settings();
    let most = usize::try_from(settings.relay.prompt_bytes.as_u64()).unwrap_or(usize::MAX);
    let body = {
        let mut reservation = app.body_budget.reserve();
        body::read(request, most, settings.limits.body_timeout, &mut reservation).await
    };
    let body = body.map_err(|problem| match problem.kind() {
        Kind::TooLarge => {
            let detail =
                format!("a prompt is at most {most} bytes (relay.prompt_bytes); send less");
            Problem::new(Kind::TooLarge, detail)
        }
        _ => problem,
    })?;
    let mut chat = match media {
        Media::Json => ChatRequest::parse(&body)
            .map_err(|error| Problem::new(kinds::BAD_PROMPT, error.to_string()))?,
        Media::Text => {
            let text = std::str::from_utf8(&body)
                .map_err(|_| Problem::new(Kind::BadUtf8, "the prompt is not UTF-8; send UTF-8"))?;
            if text.trim().is_empty() {
                let detail = "the prompt is empty; send a text, or the JSON of a chat completion";
                return Err(Problem::new(kinds::BAD_PROMPT, detail));
            }
            ChatRequest::of_text(text)
        }
        Media::Ndjson | Media::Bytes => {
            let detail = "a prompt is text/plain, or the application/json of a chat completion";
            return Err(Problem::new(kinds::BAD_MEDIA_TYPE, detail));
        }
    };
    match (query.get("model"), chat.model()) {
        (Some(model), None) => chat.set_model(model),
        (Some(_), Some(_)) => {
            let detail = "the model is named twice; name it in the body alone";
            return Err(Problem::new(Kind::BadParameter, detail).for_parameter("model"));
        }
        (None, _) => {}
    }
    Ok((chat, hash_of(&body, query.get("model"))))
}

/// Returns the wire of the response, if the request asks for the answer itself.
pub(crate) fn attached_wire(headers: &HeaderMap) -> Option<Wire> {
    let names = |wanted: &[&str]| {
        headers.get_all(header::ACCEPT).into_iter().any(|field| {
            let text = String::from_utf8_lossy(field.as_bytes()).to_ascii_lowercase();
            let mut ranges =
                text.split(',').map(|range| range.split(';').next().unwrap_or_default());
            ranges.any(|range| wanted.contains(&range.trim()))
        })
    };
    if names(&["text/event-stream"]) {
        Some(Wire::Sse)
    } else if names(&negotiation::JSON_LINES) {
        Some(Wire::Chunked)
    } else {
        None
    }
}

/// Returns the idempotency key of the request.
pub(crate) fn idempotency_of(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    const NAME: &str = "idempotency-key";
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    // The draft of the header has a string in quotes; most clients send it bare.
    let text = text.trim().trim_matches('"');
    match idempotency_id(text) {
        Ok(key) if headers.get_all(NAME).iter().count() == 1 => Ok(Some(key)),
        Ok(_) => {
            let detail = "Idempotency-Key is given twice; give it once";
            Err(Problem::new(Kind::BadParameter, detail).for_parameter("Idempotency-Key"))
        }
        Err(error) => Err(Problem::from(error).for_parameter("Idempotency-Key")),
    }
}

/// Returns whether the answer ends with its request, if the request says.
pub(crate) fn leave_of(headers: &HeaderMap) -> Result<Option<Leave>, Problem> {
    match headers.get("tricast-leave").map(|value| value.as_bytes()) {
        None => Ok(None),
        Some(b"cancel") => Ok(Some(Leave::Cancel)),
        Some(b"detach") => Ok(Some(Leave::Detach)),
        Some(_) => {
            let detail = "Tricast-Leave is cancel or detach";
            Err(Problem::new(Kind::BadParameter, detail).for_parameter("Tricast-Leave"))
        }
    }
}
