//! One upstream: its address and credentials, the calls under way, and what its responses are.

use std::{
    error::Error as _,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering::AcqRel},
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
use tokio::sync::{Semaphore, SemaphorePermit};
use tricast_core::{Circuit, Secret, awake_timeout};

use crate::{ChatRequest, UpstreamConfig, UpstreamMeters, UpstreamSays, demo};

/// The most bytes of the body of a response with an error status.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Time for that body.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// The most bytes of a list of models.
const LIST_MAX: usize = 4 << 20;

/// Calls that wait, for each that may be under way.
const WAITING_PER_CALL: usize = 4;

/// What is read on behind the end of an answer, so that the connection can be used again.
const TAIL: (usize, Duration) = (4096, Duration::from_secs(1));

/// A service that is asked for answers.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) circuit: Circuit,
    pub(crate) meters: UpstreamMeters,
    source: Source,
    permits: Semaphore,
    waiting: AtomicUsize,
}

enum Source {
    Http(Box<Http>),
    Demo,
    #[cfg(test)]
    Script(Script),
}

/// The responses of a test, one for each call.
#[cfg(test)]
pub(crate) type Script = Box<dyn Fn() -> ScriptedCall + Send + Sync>;

#[cfg(test)]
pub(crate) type ScriptedCall =
    Pin<Box<dyn Future<Output = Result<Reply, CallError>> + Send + 'static>>;

struct Http {
    client: Client,
    /// The URL of chat completions.
    chat: Url,
    /// The URL of the list of models.
    models: Url,
    headers: HeaderMap,
}

/// The error of settings by which no upstream can be called.
#[derive(Debug, thiserror::Error)]
pub enum BadUpstream {
    /// The URL cannot be called.
    #[error(
        "the url of the upstream {0:?} is not an https:// or http:// URL without a user; set it to \
         the address above /chat/completions, and put a password into key"
    )]
    Url(String),
    /// A header field or the key has characters that no header field can have.
    #[error("the {1} of the upstream {0:?} has characters that a header field cannot have")]
    Header(String, String),
    /// Two upstreams have the same name.
    #[error("two upstreams have the name {0:?}; name each in its own way")]
    Twice(String),
    /// A fallback that is not there.
    #[error("the fallback {1:?} of the upstream {0:?} does not exist; name an upstream")]
    Fallback(String, String),
    /// The system cannot provide what TLS needs.
    #[error("cannot prepare to call the upstream {0:?}: {1}")]
    Tls(String, String),
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

/// As many calls are under way, and wait, as is allowed.
#[derive(Debug)]
pub(crate) struct Crowded;

impl Upstream {
    /// Prepares to call an upstream.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub(crate) fn new(config: UpstreamConfig) -> Result<Self, BadUpstream> {
        let source = match config.is_demo() {
            true => Source::Demo,
            false => Source::Http(Box::new(Http::new(&config)?)),
        };
        Ok(Self::with_source(config, source))
    }

    #[cfg(test)]
    pub(crate) fn scripted(config: UpstreamConfig, script: Script) -> Self {
        Self::with_source(config, Source::Script(script))
    }

    fn with_source(config: UpstreamConfig, source: Source) -> Self {
        Self {
            circuit: Circuit::new(config.open_after, config.open_for),
            meters: UpstreamMeters::new(&config.name),
            source,
            permits: Semaphore::new(config.at_once.max(1)),
            waiting: AtomicUsize::new(0),
            config,
        }
    }

    /// Returns the secrets of this upstream.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let fields = self.config.headers.iter().filter(|(name, _)| is_secret_field(name));
        std::iter::once(&self.config.key).chain(fields.map(|(_, value)| value))
    }

    /// Waits until a call may begin.
    ///
    /// # Errors
    /// When too many wait already.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Crowded> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(self)?;
        // It is never closed.
        self.permits.acquire().await.map_err(|_| Crowded)
    }

    /// Calls the upstream.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn call(
        &self,
        request: &ChatRequest,
        model: &str,
    ) -> Result<Reply, CallError> {
        match &self.source {
            Source::Http(http) => http.call(request.to_body(model)).await,
            Source::Demo => {
                Ok(Reply { is_whole: false, body: Body::Piped(Box::pin(demo::body(request))) })
            }
            #[cfg(test)]
            Source::Script(script) => script().await,
        }
    }

    /// Asks the upstream for the names of its models, which costs nothing. `None` if it answers,
    /// and not with a list.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn list_models(&self) -> Result<Option<Vec<String>>, CallError> {
        let Source::Http(http) = &self.source else { return Ok(None) };
        let request = http.client.get(http.models.clone()).headers(http.headers.clone());
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

/// A call that waits for its turn.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(upstream: &'a Upstream) -> Result<Self, Crowded> {
        let limit = upstream.config.at_once.max(1) * WAITING_PER_CALL;
        let before = upstream.waiting.fetch_add(1, AcqRel);
        let waiting = Self(&upstream.waiting);
        if before < limit { Ok(waiting) } else { Err(Crowded) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

impl Http {
    fn new(config: &UpstreamConfig) -> Result<Self, BadUpstream> {
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

    async fn call(&self, body: Vec<u8>) -> Result<Reply, CallError> {
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

/// Whether the value of a configured field is a secret by its name.
fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "key", "secret", "token"].iter().any(|word| name.contains(word))
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

/// Leaves out everything that may be a secret.
impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Upstream").field(&self.config.name).finish()
    }
}

#[cfg(test)]
#[path = "tests/upstream.rs"]
mod tests;
