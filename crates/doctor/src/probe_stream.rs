//! A stream on any wire, as a plain client reads it: JSON documents with their time of arrival.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{client::Socket, wire::Wire};

/// An open stream.
pub(crate) struct ProbeStream {
    inner: Inner,
    /// Bytes of a document that is not complete yet.
    bytes: Vec<u8>,
    last_byte_at: Instant,
}

enum Inner {
    Body(Wire, Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>),
    Ws(Box<WebSocketStream<Socket>>),
}

/// The result of waiting for a document.
#[derive(Debug)]
pub(crate) enum Received {
    Document(Value, Instant),
    /// The stream has ended, or has broken off.
    End,
    Timeout,
}

/// The result of reading from the connection.
enum ReadMore {
    Bytes,
    End,
}

impl ProbeStream {
    pub(crate) fn from_body(wire: Wire, response: reqwest::Response) -> Self {
        Self::new(Inner::Body(wire, Box::pin(response.bytes_stream())))
    }

    pub(crate) fn from_websocket(socket: WebSocketStream<Socket>) -> Self {
        Self::new(Inner::Ws(Box::new(socket)))
    }

    fn new(inner: Inner) -> Self {
        Self { inner, bytes: Vec::new(), last_byte_at: Instant::now() }
    }

    /// Returns the time since the last byte.
    pub(crate) fn silent(&self) -> Duration {
        self.last_byte_at.elapsed()
    }

    /// Waits for the next document; heartbeats are skipped.
    pub(crate) async fn next(&mut self, timeout: Duration) -> Received {
        let end = Instant::now() + timeout;
        loop {
            if let Some(document) = self.take_document() {
                return Received::Document(document, Instant::now());
            }
            match timeout_at(end, self.read_more()).await {
                Ok(ReadMore::Bytes) => self.last_byte_at = Instant::now(),
                Ok(ReadMore::End) => return Received::End,
                Err(_) => return Received::Timeout,
            }
        }
    }

    /// Waits for the next document with this event.
    pub(crate) async fn next_event(&mut self, event: &str, timeout: Duration) -> Received {
        let end = Instant::now() + timeout;
        loop {
            match self.next(end.saturating_duration_since(Instant::now())).await {
                Received::Document(document, _) if document["event"] != event => {}
                received => return received,
            }
        }
    }

    async fn read_more(&mut self) -> ReadMore {
        match &mut self.inner {
            Inner::Body(_, body) => match body.next().await {
                Some(Ok(data)) => {
                    self.bytes.extend_from_slice(&data);
                    ReadMore::Bytes
                }
                Some(Err(_)) | None => ReadMore::End,
            },
            Inner::Ws(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    self.bytes.extend_from_slice(text.as_bytes());
                    self.bytes.push(b'\n');
                    ReadMore::Bytes
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => ReadMore::End,
                Some(Ok(_)) => ReadMore::Bytes,
            },
        }
    }

    fn take_document(&mut self) -> Option<Value> {
        loop {
            let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = match self.inner {
                // Only the data field of an event holds the document (WHATWG HTML §9.2.6).
                Inner::Body(Wire::Sse, _) => match line.strip_prefix(b"data:") {
                    Some(data) => data,
                    None => continue,
                },
                _ => &line[..],
            };
            if let Ok(document) = serde_json::from_slice(line) {
                return Some(document);
            }
        }
    }
}
