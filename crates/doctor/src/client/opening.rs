//! Opening streams, as a plain client does.

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

use super::{Client, RESPONSE_TIMEOUT, uncached};
use crate::{probe_error::ProbeError, probe_stream::ProbeStream, refusal::Refusal, wire::Wire};

/// The connection of a WebSocket.
pub(crate) type Socket = Box<dyn Duplex>;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The reason why a stream did not open.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// There was a response, but not a stream.
    Refused(Refusal),
    /// There was no response in time.
    Timeout,
    /// The connection failed.
    Failed(ProbeError),
}

impl OpenError {
    pub(crate) fn message(&self) -> String {
        match self {
            OpenError::Refused(refusal) => refusal.message(),
            OpenError::Timeout => format!("no response within {} s", RESPONSE_TIMEOUT.as_secs()),
            OpenError::Failed(error) => error.message.clone(),
        }
    }
}

impl Client {
    /// Opens a stream on `wire` as a page of this host does, with `fields` among the headers of its
    /// request.
    pub(crate) async fn open(
        &self,
        wire: Wire,
        query: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<(ProbeStream, Opened), OpenError> {
        let path = uncached(&format!("/{}/{}{query}", wire.name(), self.channel));
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
    ) -> Result<(ProbeStream, Opened), OpenError> {
        let accept = if wire == Wire::Sse { "text/event-stream" } else { "application/x-ndjson" };
        let own = [("accept", accept), ("accept-encoding", self.encodings)];
        let headers = self.page_headers(&[&own, fields].concat());
        let requested_at = Instant::now();
        let request = self.http.get(self.gateway().url(path)).headers(headers).send();
        let Ok(response) = timeout(RESPONSE_TIMEOUT, request).await else {
            return Err(OpenError::Timeout);
        };
        let response = response.map_err(|error| OpenError::Failed(self.explain(&error)))?;
        if response.status() != StatusCode::OK {
            let refusal = timeout(RESPONSE_TIMEOUT, Refusal::read(response)).await;
            return Err(refusal.map_or(OpenError::Timeout, OpenError::Refused));
        }
        let opened = Opened {
            head_after: requested_at.elapsed(),
            version: response.version(),
            headers: response.headers().clone(),
        };
        Ok((ProbeStream::from_body(wire, response), opened))
    }

    async fn open_websocket(
        &self,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<(ProbeStream, Opened), OpenError> {
        let broken = |error: tungstenite::Error| OpenError::Failed(self.explain(&error));
        let mut request =
            self.gateway().websocket_url(path).into_client_request().map_err(broken)?;
        request.headers_mut().extend(self.page_headers(fields));
        let requested_at = Instant::now();
        let opening = async {
            let socket =
                self.connect().await.map_err(|error| OpenError::Failed(self.explain(&error)))?;
            match client_async(request, socket).await {
                Ok(opened) => Ok(opened),
                Err(tungstenite::Error::Http(response)) => {
                    let (parts, body) = response.into_parts();
                    let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                    let refusal = Refusal::new(parts.status, &parts.headers, text);
                    Err(OpenError::Refused(refusal))
                }
                Err(error) => Err(broken(error)),
            }
        };
        let Ok(opened) = timeout(RESPONSE_TIMEOUT, opening).await else {
            return Err(OpenError::Timeout);
        };
        let (socket, response) = opened?;
        let opened = Opened {
            head_after: requested_at.elapsed(),
            version: response.version(),
            headers: response.headers().clone(),
        };
        Ok((ProbeStream::from_websocket(socket), opened))
    }

    async fn connect(&self) -> std::io::Result<Socket> {
        let gateway = self.gateway();
        let socket = TcpStream::connect((gateway.host(), gateway.port())).await?;
        socket.set_nodelay(true)?;
        if !gateway.is_encrypted() {
            return Ok(Box::new(socket));
        }
        let name =
            ServerName::try_from(gateway.host().to_owned()).map_err(std::io::Error::other)?;
        Ok(Box::new(self.tls.connect(name, socket).await?))
    }
}

/// The head of a stream that has opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) head_after: Duration,
    pub(crate) version: http::Version,
    pub(crate) headers: HeaderMap,
}
