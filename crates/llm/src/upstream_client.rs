//! The HTTP client of one upstream: requests with its credentials, and what responses bring.

use std::{
    error::Error as _,
    pin::Pin,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::Deserialize;
use tricast_core::awake_timeout;

use crate::{BadUpstream, UpstreamConfig, UpstreamSays};

/// The most bytes of the body of a response with an error status.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Time for that body.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// The most bytes of a list of models.
const LIST_MAX: usize = 4 << 20;

/// What is read on behind the end of an answer, so that the connection can be used again.
const TAIL: (usize, Duration) = (4096, Duration::from_secs(1));

/// Calls the chat completions of one service.
pub(crate) struct UpstreamClient {
    client: Client,
    /// The URL of chat completions.
    chat: Url,
    /// The URL of the list of models.
    models: Url,
    headers: HeaderMap,
}

/// The beginning of a response with an answer.
pub(crate) struct Reply {
    /// Whether it is one JSON document, although a stream was asked for.
    pub(crate) is_whole: bool,
    pub(crate) body: Body,
}

/// The body of a response.
pub(crate) enum Body {
    Http(Box<Response>),
    Piped(Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>),
}

/// A call that has brought no answer. The texts are as the upstream has sent them.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No connection.
    Unreachable(String),
    /// The connection broke before the head of the response.
    Cut(String),
    /// A status that is no success.
    Status { status: u16, retry_after: Option<Duration>, says: UpstreamSays },
}

/// The list of models, as an upstream answers it.
#[derive(Deserialize)]
struct ModelList {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
}

impl UpstreamClient {
    /// Prepares to call the service of these settings.
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Self, BadUpstream> {
        let url = |path: &[&str]| {
            endpoint(&config.url, path).ok_or_else(|| BadUpstream::Url(config.name.clone()))
        };
        let (chat, models) = (url(&["chat", "completions"])?, url(&["models"])?);
        let bad = |what: &str| BadUpstream::Header(config.name.clone(), what.to_owned());
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let field: HeaderName = name.parse().map_err(|_| bad(&format!("header {name:?}")))?;
            headers.insert(field, sensitive(value.expose()).ok_or_else(|| bad(name))?);
        }
        if !config.key.is_empty() {
            let bearer = sensitive(&format!("Bearer {}", config.key.expose()));
            headers.insert(header::AUTHORIZATION, bearer.ok_or_else(|| bad("key"))?);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // A redirect, or a proxy of the environment, would send the key elsewhere.
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(config.connect)
            .user_agent(concat!("tricast/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| BadUpstream::Tls(config.name.clone(), chain(error)))?;
        Ok(Self { client, chat, models, headers })
    }

    /// Asks for the names of the models. `None` if the answer is no list.
    pub(crate) async fn list_models(&self) -> Result<Option<Vec<String>>, CallError> {
        let request = self.client.get(self.models.clone()).headers(self.headers.clone());
        let response = answer_of(request.header(header::ACCEPT, "application/json")).await?;
        let mut body = Body::Http(Box::new(response));
        let mut document = Vec::new();
        while let Some(piece) = body.next().await.map_err(CallError::Cut)? {
            document.extend_from_slice(&piece);
            if document.len() > LIST_MAX {
                return Ok(None);
            }
        }
        let list: Option<ModelList> = serde_json::from_slice(&document).ok();
        Ok(list.map(|list| list.data.into_iter().map(|model| model.id).collect()))
    }

    /// Asks for an answer.
    pub(crate) async fn call(&self, body: Vec<u8>) -> Result<Reply, CallError> {
        let request = self.client.post(self.chat.clone()).headers(self.headers.clone());
        let response = answer_of(request.body(body)).await?;
        let media_type = response.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let is_whole = media_type.eq_ignore_ascii_case("application/json");
        Ok(Reply { is_whole, body: Body::Http(Box::new(response)) })
    }
}

/// Sends a request, and returns the response if it is a success.
async fn answer_of(request: RequestBuilder) -> Result<Response, CallError> {
    let response = request.send().await.map_err(|error| match error.is_connect() {
        true => CallError::Unreachable(chain(error)),
        false => CallError::Cut(chain(error)),
    })?;
    let status = response.status();
    if status.is_success() { Ok(response) } else { Err(read_error(status, response).await) }
}

impl Body {
    /// Returns the next bytes; `None` at the end. It may be dropped while it waits.
    ///
    /// # Errors
    /// When the body breaks off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Body::Http(response) => response.chunk().await.map_err(chain),
            Body::Piped(stream) => stream.next().await.transpose(),
        }
    }

    /// Reads on a little behind the end of the answer, so that the connection can be used again.
    pub(crate) fn finish(mut self) {
        let read = async move {
            let mut bytes = 0;
            while let Ok(Some(piece)) = self.next().await {
                bytes += piece.len();
                if bytes > TAIL.0 {
                    break;
                }
            }
        };
        tokio::spawn(tokio::time::timeout(TAIL.1, read));
    }
}

async fn read_error(status: StatusCode, mut response: Response) -> CallError {
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| parse_retry_after(value.to_str().ok()?));
    let mut body = Vec::new();
    // What has come by then may be enough.
    let read = async {
        while let Ok(Some(piece)) = response.chunk().await {
            body.extend_from_slice(&piece[..piece.len().min(ERROR_BODY_MAX - body.len())]);
            if body.len() == ERROR_BODY_MAX {
                break;
            }
        }
    };
    awake_timeout(ERROR_BODY_TIME, read).await;
    let says = UpstreamSays::read_body(&body);
    CallError::Status { status: status.as_u16(), retry_after, says }
}

/// Reads the field: seconds, or a date.
fn parse_retry_after(field: &str) -> Option<Duration> {
    match field.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(field).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

/// Returns the URL of `path` below `base`; `None` if it cannot be called.
fn endpoint(base: &str, path: &[&str]) -> Option<Url> {
    let mut url: Url = base.parse().ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain {
        return None;
    }
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(url)
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value: HeaderValue = value.parse().ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Formats an error with its causes, which its own `Display` leaves out, and without the URL.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(&format!(": {deeper}"));
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> UpstreamConfig {
        UpstreamConfig { url: url.to_owned(), ..UpstreamConfig::default() }
    }

    #[test]
    fn the_url_is_that_of_chat_completions() {
        for (base, expected) in [
            ("https://llm.example/v1", "https://llm.example/v1/chat/completions"),
            ("https://llm.example/v1/", "https://llm.example/v1/chat/completions"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/chat/completions"),
            (
                "https://a.example/x?api-version=1",
                "https://a.example/x/chat/completions?api-version=1",
            ),
        ] {
            assert_eq!(
                endpoint(base, &["chat", "completions"]).map(String::from).as_deref(),
                Some(expected)
            );
        }
        for bad in
            ["", "llm.example/v1", "ftp://a/", "file:///etc/passwd", "https://a:b@c.example/"]
        {
            assert!(matches!(UpstreamClient::new(&config(bad)), Err(BadUpstream::Url(_))), "{bad}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parse_retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon"), None);
    }
}
