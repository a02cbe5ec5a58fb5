//! Opens streams, as a plain client does.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::{
    client_async,
    tungstenite::{self, client::IntoClientRequest as _},
};

use super::{Client, PATIENCE};
use crate::{line::Line, obstacle::Obstacle, refusal::Refusal, wire::Wire};

/// A connection for a WebSocket.
pub(crate) type Socket = Box<dyn Duplex>;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Why a stream did not open.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There was an answer, but another.
    Answer(Refusal),
    /// There was none in time.
    Silence,
    /// There was none, and there will be none.
    Broken(Obstacle),
}

impl Refused {
    pub(crate) fn said(&self) -> String {
        match self {
            Refused::Answer(refusal) => refusal.said(),
            Refused::Silence => format!("no answer within {} s", PATIENCE.as_secs()),
            Refused::Broken(obstacle) => obstacle.said.clone(),
        }
    }
}

impl Client {
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
        let answer = answer.map_err(|error| Refused::Broken(self.words(&error)))?;
        if answer.status() != StatusCode::OK {
            let refusal = timeout(PATIENCE, Refusal::of(answer)).await;
            return Err(refusal.map_or(Refused::Silence, Refused::Answer));
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
        let broken = |error: tungstenite::Error| Refused::Broken(self.words(&error));
        let mut request = self.place().websocket_url(path).into_client_request().map_err(broken)?;
        request.headers_mut().extend(self.headers(fields));
        let asked = Instant::now();
        let opening = async {
            let socket =
                self.connect().await.map_err(|error| Refused::Broken(self.words(&error)))?;
            match client_async(request, socket).await {
                Ok(opened) => Ok(opened),
                Err(tungstenite::Error::Http(answer)) => {
                    let (parts, body) = answer.into_parts();
                    let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                    let location = parts.headers.get(http::header::LOCATION);
                    let location = location.and_then(|value| Some(value.to_str().ok()?.to_owned()));
                    Err(Refused::Answer(Refusal { status: parts.status, text, location }))
                }
                Err(error) => Err(broken(error)),
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

    async fn connect(&self) -> std::io::Result<Socket> {
        let place = self.place();
        let socket = TcpStream::connect((place.host(), place.port())).await?;
        socket.set_nodelay(true)?;
        if !place.is_encrypted() {
            return Ok(Box::new(socket));
        }
        let name = ServerName::try_from(place.host().to_owned()).map_err(std::io::Error::other)?;
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
