//! Asks, as a plain client does: requests, streams on any wire, messages.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio_tungstenite::{
    client_async,
    tungstenite::{self, client::IntoClientRequest as _},
};

use crate::{
    encryption,
    line::Line,
    place::{Place, Visit},
    wire::Wire,
};

/// How long an answer, or the head of one, may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever asks.
pub(crate) struct Client {
    pub(crate) visit: Visit,
    pub(crate) channel: String,
    http: reqwest::Client,
    tls: TlsConnector,
    /// The compressions that it claims to know.
    pub(crate) encodings: &'static str,
}

/// A connection for a WebSocket.
pub(crate) type Socket = Box<dyn Duplex>;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Why a stream did not open.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There was an answer, but another.
    Answer(StatusCode, String),
    /// There was none in time.
    Silence,
    Broken(String),
}

impl Client {
    pub(crate) fn new(visit: Visit) -> anyhow::Result<Self> {
        let mut config = encryption::config(visit.authority.as_deref())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .build()?;
        let mut of_http_1 = config;
        of_http_1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = || format!("doctor-{}", fastrand::u32(..));
        let channel = visit.channel.clone().unwrap_or_else(name);
        Ok(Self {
            visit,
            channel,
            http,
            tls: TlsConnector::from(Arc::new(of_http_1)),
            encodings: "gzip, deflate, br, zstd",
        })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.visit.place
    }

    fn authorize(&self, headers: &mut HeaderMap) {
        let token = self.visit.token.as_ref();
        let value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        headers.extend(value.map(|value| (header::AUTHORIZATION, value)));
    }

    fn headers(&self, fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            Some((http::HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        };
        let mut headers: HeaderMap = fields.iter().filter_map(field).collect();
        self.authorize(&mut headers);
        headers
    }

    /// `GET`, whatever the answer is.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let url = self.place().url(path);
        let asked = self.http.get(&url).headers(self.headers(&[])).timeout(PATIENCE).send();
        asked.await.with_context(|| format!("{url} cannot be reached"))
    }

    /// The number of connections that listen to the channel.
    pub(crate) async fn online(&self) -> anyhow::Result<u64> {
        let answer = self.get(&format!("/online/{}", self.channel)).await?;
        let document: Value = serde_json::from_str(&answer.text().await?)?;
        document["connections"].as_u64().context("/online has no count (access.online)")
    }

    /// Publishes; gives the message's id, when that was asked for, and how long the answer took.
    pub(crate) async fn publish(
        &self,
        data: &Value,
    ) -> anyhow::Result<(String, Instant, Duration)> {
        let url = self.place().url(&format!("/publish/{}", self.channel));
        let headers = self.headers(&[("content-type", "application/json")]);
        let asked = Instant::now();
        let sent = self.http.post(&url).headers(headers).body(data.to_string()).timeout(PATIENCE);
        let answer = sent.send().await.with_context(|| format!("{url} cannot be reached"))?;
        let (status, text) = (answer.status(), answer.text().await?);
        let took = asked.elapsed();
        anyhow::ensure!(
            status == StatusCode::OK,
            "publishing was answered with {status}: {}; name a token or API key that may (--token), and a channel (--channel)",
            detail(&text)
        );
        let document: Value = serde_json::from_str(&text).context("what answers is no Tricast")?;
        let id = document["id"].as_str().context("what answers is no Tricast")?;
        Ok((id.to_owned(), asked, took))
    }

    /// A body of JSON lines that goes out as `lines` has them.
    pub(crate) fn publish_lines(
        &self,
        lines: tokio::sync::mpsc::Receiver<String>,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> + use<> {
        let url = self.place().url(&format!("/publish/{}", self.channel));
        let headers = self.headers(&[("content-type", "application/x-ndjson")]);
        let body = futures_util::stream::unfold(lines, |mut lines| async move {
            let line = lines.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(line), lines))
        });
        self.http.post(url).headers(headers).body(reqwest::Body::wrap_stream(body)).send()
    }

    /// Opens a stream on `wire`; `fields` go along in its head.
    pub(crate) async fn open(
        &self,
        wire: Wire,
        query: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<(Line, Opened), Refused> {
        let path = format!("/{}/{}{query}", wire.name(), self.channel);
        match wire {
            Wire::Ws => self.open_websocket(&path, fields).await,
            Wire::Sse | Wire::Chunked => self.open_body(wire, &path, fields).await,
        }
    }

    async fn open_body(
        &self,
        wire: Wire,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<(Line, Opened), Refused> {
        let accept = if wire == Wire::Sse { "text/event-stream" } else { "application/x-ndjson" };
        // What browsers send.
        let mut headers = self.headers(&[("accept", accept), ("accept-encoding", self.encodings)]);
        headers.extend(self.headers(fields));
        let asked = Instant::now();
        let request = self.http.get(self.place().url(path)).headers(headers).send();
        let Ok(answer) = timeout(PATIENCE, request).await else { return Err(Refused::Silence) };
        let answer = answer.map_err(|error| Refused::Broken(chain(&error)))?;
        if answer.status() != StatusCode::OK {
            let status = answer.status();
            let text = timeout(PATIENCE, answer.text()).await;
            return Err(Refused::Answer(
                status,
                text.ok().and_then(Result::ok).unwrap_or_default(),
            ));
        }
        let opened = Opened {
            head_after: asked.elapsed(),
            version: answer.version(),
            headers: answer.headers().clone(),
        };
        Ok((Line::of_body(wire, answer), opened))
    }

    async fn open_websocket(
        &self,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<(Line, Opened), Refused> {
        let broken = |error: &dyn std::error::Error| Refused::Broken(chain(error));
        let mut request =
            self.place().websocket_url(path).into_client_request().map_err(|e| broken(&e))?;
        request.headers_mut().extend(self.headers(fields));
        let asked = Instant::now();
        let opening = async {
            let socket =
                self.connect().await.map_err(|error| Refused::Broken(format!("{error:#}")))?;
            match client_async(request, socket).await {
                Ok(opened) => Ok(opened),
                Err(tungstenite::Error::Http(answer)) => {
                    let (parts, body) = answer.into_parts();
                    let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                    Err(Refused::Answer(parts.status, body))
                }
                Err(error) => Err(broken(&error)),
            }
        };
        let Ok(opened) = timeout(PATIENCE, opening).await else { return Err(Refused::Silence) };
        let (socket, answer) = opened?;
        let opened = Opened {
            head_after: asked.elapsed(),
            version: answer.version(),
            headers: answer.headers().clone(),
        };
        Ok((Line::of_websocket(socket), opened))
    }

    async fn connect(&self) -> anyhow::Result<Socket> {
        let place = self.place();
        let socket = TcpStream::connect((place.host(), place.port())).await?;
        socket.set_nodelay(true)?;
        if !place.is_encrypted() {
            return Ok(Box::new(socket));
        }
        let name = ServerName::try_from(place.host().to_owned())?;
        Ok(Box::new(self.tls.connect(name, socket).await?))
    }
}

/// How a stream opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) head_after: Duration,
    pub(crate) version: http::Version,
    pub(crate) headers: HeaderMap,
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

/// An error, with what lies under it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}
