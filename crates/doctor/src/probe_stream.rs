//! A stream on any wire, as a plain client has it: documents, and when they came.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{client::Socket, wire::Wire};

/// A stream that is open.
pub(crate) struct ProbeStream {
    inner: Inner,
    /// What has come of the body, and is no whole document yet.
    bytes: Vec<u8>,
}

enum Inner {
    Body(Wire, Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>),
    Ws(Box<WebSocketStream<Socket>>),
}

/// What a stream has brought, in the time that it had.
#[derive(Debug)]
pub(crate) enum Received {
    Document(Value, Instant),
    /// It is over, or has broken off.
    End,
    Timeout,
}

impl ProbeStream {
    pub(crate) fn from_body(wire: Wire, response: reqwest::Response) -> Self {
        Self { inner: Inner::Body(wire, Box::pin(response.bytes_stream())), bytes: Vec::new() }
    }

    pub(crate) fn from_websocket(socket: WebSocketStream<Socket>) -> Self {
        Self { inner: Inner::Ws(Box::new(socket)), bytes: Vec::new() }
    }

    /// The next document within `patience`; signs of life are passed over.
    pub(crate) async fn next(&mut self, timeout: Duration) -> Received {
        let end = Instant::now() + timeout;
        loop {
            if let Some(document) = self.take_document() {
                return Received::Document(document, Instant::now());
            }
            let Ok(more) = timeout_at(end, self.read_more()).await else {
                return Received::Timeout;
            };
            if !more {
                return Received::End;
            }
        }
    }

    /// The next document with this event.
    pub(crate) async fn next_event(&mut self, event: &str, timeout: Duration) -> Received {
        let end = Instant::now() + timeout;
        loop {
            match self.next(end.saturating_duration_since(Instant::now())).await {
                Received::Document(document, _) if document["event"] != event => {}
                received => return received,
            }
        }
    }

    /// Whether more has come.
    async fn read_more(&mut self) -> bool {
        match &mut self.inner {
            Inner::Body(_, body) => match body.next().await {
                Some(Ok(data)) => {
                    self.bytes.extend_from_slice(&data);
                    true
                }
                Some(Err(_)) | None => false,
            },
            Inner::Ws(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    self.bytes.extend_from_slice(text.as_bytes());
                    self.bytes.push(b'\n');
                    true
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                Some(Ok(_)) => true,
            },
        }
    }

    fn take_document(&mut self) -> Option<Value> {
        loop {
            let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = match self.inner {
                // Of an event's fields only the document is wanted (WHATWG HTML §9.2.6).
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
