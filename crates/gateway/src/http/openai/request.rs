//! What a request to this interface asks for.

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use serde::Deserialize;
use tricast_admission::Pass;
use tricast_core::{ChannelName, Kind};
use tricast_llm::ChatRequest;

use crate::http::{admission, kinds, problem::Problem, query::Query, state::App};

/// The query parameters that count; all others pass.
const PARAMETERS: [&str; 6] = ["channel", "client", "user", "token", "stream", "last_event_id"];

/// The beginning of an API key of this gateway.
const KEY_PREFIX: &str = "tricast_key_";

/// Parses the query, after what SDKs send for OpenAI alone was removed from the request.
///
/// # Errors
/// When this interface is not served, or a parameter is malformed.
pub(crate) fn query(app: &App, request: &mut Request) -> Result<Query, Problem> {
    let settings = app.settings();
    if !settings.relay.openai || settings.llm.is_empty() {
        let detail = "the interface of OpenAI is not served here: it needs an [[llm]], and \
                      relay.openai";
        return Err(Problem::new(kinds::NOT_FOUND, detail));
    }
    if !settings.tokens.has_keys() && settings.key.is_empty() {
        drop_foreign_bearer(request.headers_mut());
    }
    Query::parse_known(request.uri().query(), &PARAMETERS)
}

/// Removes a bearer that this gateway could not know: SDKs always send one. Without any keys
/// nothing hangs on it, and it is neither logged nor handed to the hook.
fn drop_foreign_bearer(headers: &mut HeaderMap) {
    let is_foreign = headers.get(header::AUTHORIZATION).is_some_and(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        !text.contains(KEY_PREFIX)
    });
    if is_foreign {
        headers.remove(header::AUTHORIZATION);
    }
}

/// Returns the pass of the client.
pub(crate) fn pass<'a>(
    app: &'a App,
    request: &Request,
    query: &Query,
    channels: &'a [ChannelName],
) -> impl Future<Output = Result<Pass, Problem>> + use<'a> {
    admission::pass_for_lookup(app, request, query, channels)
}

/// Returns the channel that the request names: in a field, in the query, or in the member `tricast`
/// of its body.
pub(crate) fn channel_of(
    headers: &HeaderMap,
    query: &Query,
    chat: &ChatRequest,
) -> Result<Option<ChannelName>, Problem> {
    #[derive(Deserialize)]
    struct Own {
        channel: Option<String>,
    }
    let own: Option<Own> = match chat.own_member() {
        None => None,
        Some(json) => Some(serde_json::from_str(json).map_err(|_| {
            let detail =
                "the member tricast of the body is an object, as in {\"channel\":\"chat\"}";
            Problem::new(kinds::BAD_PROMPT, detail)
        })?),
    };
    let field = headers.get("tricast-channel");
    let field = field.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let named = field
        .or_else(|| query.get("channel").map(str::to_owned))
        .or_else(|| own.and_then(|own| own.channel));
    named.map(|name| name.parse().map_err(Problem::from)).transpose()
}

/// Returns whether a client library says that it repeats a request; `None` if no library says how
/// often it has sent it.
pub(crate) fn repeats(headers: &HeaderMap) -> Option<bool> {
    let count = headers.get("x-stainless-retry-count")?.to_str().ok()?;
    Some(count.trim().parse::<u32>().ok()? >= 1)
}

/// Refuses a body that is no JSON.
pub(crate) fn check_media(headers: &HeaderMap) -> Result<(), Problem> {
    let media = crate::http::body::Media::of(headers)?;
    if media == crate::http::body::Media::Json {
        return Ok(());
    }
    let detail = "send the body of a chat completion with Content-Type: application/json";
    Err(Problem::new(kinds::BAD_MEDIA_TYPE, detail).for_parameter("Content-Type"))
}

/// Returns the problem of a client without a channel of its own.
pub(crate) fn bad_resume(id: &str) -> Problem {
    let detail =
        format!("{id:?} is no id of an event of this stream; send the last one as it came");
    Problem::new(Kind::BadResume, detail).for_parameter("Last-Event-ID")
}
