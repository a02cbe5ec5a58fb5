//! A subscriber on any wire: opens, reads documents, resumes, talks, breaks off.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use socket2::SockRef;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message, client::IntoClientRequest as _, handshake::client::Response,
        protocol::CloseFrame,
    },
};

use crate::{Connection, Endpoint, Wire, gateway::connect, sse};

const PATIENCE: Duration = Duration::from_secs(10);

/// A document from the stream, or what else happened on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A document; on SSE its block's own fields agree with it.
    Document(Value),
    /// A heartbeat that programs do not see: a comment, a blank line, or a ping with its payload.
    Heartbeat(Option<String>),
    /// `tricast.alive`: a sign of life that moves the cursor.
    Alive(Value),
    /// A clean end: last chunk, or close frame with its code and reason.
    End(Option<(u16, String)>),
    /// The connection broke off.
    Broken,
}

/// A subscriber.
#[derive(Debug)]
pub struct Reader {
    wire: Wire,
    stream: Stream,
    /// The id to resume from.
    pub last_id: Option<String>,
    /// The `retry:` of SSE, as last seen.
    pub retry: Option<u64>,
}

#[derive(Debug)]
enum Stream {
    Http { connection: Connection, body: Vec<u8>, ended: bool },
    Ws(Box<WebSocketStream<TcpStream>>),
}

impl Reader {
    /// Opens a stream; `target` is channels and query.
    pub async fn open(server: &impl Endpoint, wire: Wire, target: &str) -> Self {
        Self::open_after(server, wire, target, None).await
    }

    /// Opens a stream after an id: by header where a browser would, else by query.
    pub async fn open_after(
        server: &impl Endpoint,
        wire: Wire,
        target: &str,
        id: Option<&str>,
    ) -> Self {
        Self::try_open_after(server, wire, target, id).await.expect("is let in")
    }

    /// The same; `None` when it is turned away for now (503).
    pub async fn try_open_after(
        server: &impl Endpoint,
        wire: Wire,
        target: &str,
        id: Option<&str>,
    ) -> Option<Self> {
        let mut reader = match (wire, id) {
            (_, None) => Self::try_open_with(server, wire, target, &[]).await?,
            (Wire::Ws, Some(id)) => {
                let join = if target.contains('?') { '&' } else { '?' };
                let target = format!("{target}{join}last_event_id={id}");
                Self::try_open_with(server, wire, &target, &[]).await?
            }
            (_, Some(id)) => {
                Self::try_open_with(server, wire, target, &[("Last-Event-ID", id)]).await?
            }
        };
        reader.last_id = id.map(str::to_owned);
        Some(reader)
    }

    /// Opens a stream with further fields in its head.
    pub async fn open_with(
        server: &impl Endpoint,
        wire: Wire,
        target: &str,
        fields: &[(&'static str, &str)],
    ) -> Self {
        Self::try_open_with(server, wire, target, fields).await.expect("is let in")
    }

    /// The same; `None` when it is turned away for now (503).
    async fn try_open_with(
        server: &impl Endpoint,
        wire: Wire,
        target: &str,
        fields: &[(&'static str, &str)],
    ) -> Option<Self> {
        let path = format!("/{}/{target}", wire.name());
        let stream = match wire {
            Wire::Ws => match Self::handshake_with(server, &path, fields).await {
                Err(tungstenite::Error::Http(answer)) if answer.status() == 503 => return None,
                opened => Stream::Ws(Box::new(opened.expect("opens").0)),
            },
            Wire::Sse | Wire::Chunked => {
                let field = |(name, value): &(&str, &str)| format!("\r\n{name}: {value}");
                let fields: String = fields.iter().map(field).collect();
                let mut connection = Connection::over(connect(server).await.expect("connects"));
                connection.send(format!("GET {path} HTTP/1.1\r\nHost: t{fields}\r\n\r\n")).await;
                let head = connection.head().await;
                if head.status == 503 {
                    return None;
                }
                assert_eq!(head.status, 200, "{head:?}");
                // A stream is chunked; a goodbye in place of one has its length.
                let (body, ended) = match head.content_length() {
                    Some(length) => (connection.take(length).await, true),
                    None => (Vec::new(), false),
                };
                Stream::Http { connection, body, ended }
            }
        };
        Some(Self { wire, stream, last_id: None, retry: None })
    }

    /// A WebSocket handshake, which may be refused.
    pub async fn handshake(
        server: &impl Endpoint,
        path: &str,
    ) -> Result<(WebSocketStream<TcpStream>, Response), tungstenite::Error> {
        Self::handshake_with(server, path, &[]).await
    }

    /// The same with further fields in its head.
    pub async fn handshake_with(
        server: &impl Endpoint,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<(WebSocketStream<TcpStream>, Response), tungstenite::Error> {
        let url = format!("ws://{}{path}", server.address());
        let mut request = url.into_client_request()?;
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let socket = connect(server).await?;
        client_async(request, socket).await
    }

    /// The wire.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// The next event; fails after ten seconds.
    pub async fn next(&mut self) -> Event {
        let next = timeout(PATIENCE, self.next_within()).await;
        next.unwrap_or_else(|_| panic!("nothing more on {}", self.wire.name()))
    }

    /// The next event, or the message that a raw stream has instead of documents.
    pub async fn try_next(&mut self) -> Result<Event, Message> {
        let Stream::Ws(socket) = &mut self.stream else { return Ok(self.next().await) };
        match timeout(PATIENCE, socket.next()).await.expect("something comes") {
            Some(Ok(Message::Close(frame))) => {
                let read = |frame: CloseFrame| (frame.code.into(), frame.reason.to_string());
                Ok(Event::End(frame.map(read)))
            }
            Some(Ok(message)) => Err(message),
            Some(Err(_)) | None => Ok(Event::Broken),
        }
    }

    /// Tells whether only heartbeats arrive for `silence`.
    pub async fn is_silent_for(&mut self, silence: Duration) -> bool {
        let end = tokio::time::Instant::now() + silence;
        loop {
            match tokio::time::timeout_at(end, self.next_within()).await {
                Ok(Event::Heartbeat(_) | Event::Alive(_)) => {}
                Ok(_) => return false,
                Err(_) => return true,
            }
        }
    }

    async fn next_within(&mut self) -> Event {
        let event = match &mut self.stream {
            Stream::Ws(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    Event::Document(serde_json::from_str(&text).expect("a document"))
                }
                Some(Ok(Message::Ping(payload))) => {
                    let cursor = String::from_utf8(payload.to_vec()).expect("ASCII");
                    Event::Heartbeat(Some(cursor))
                }
                Some(Ok(Message::Close(frame))) => {
                    let read = |frame: CloseFrame| (frame.code.into(), frame.reason.to_string());
                    Event::End(frame.map(read))
                }
                Some(Ok(other)) => panic!("unexpected {other:?}"),
                Some(Err(_)) | None => Event::Broken,
            },
            Stream::Http { connection, body, ended } => loop {
                if let Some(event) = take_event(self.wire, body, &mut self.retry) {
                    break event;
                }
                if *ended {
                    assert!(body.is_empty(), "half an event at the end");
                    break Event::End(None);
                }
                match connection.try_chunk().await {
                    Ok(Some(chunk)) => body.extend(chunk),
                    Ok(None) => *ended = true,
                    Err(_) => break Event::Broken,
                }
            },
        };
        let event = match event {
            Event::Document(document) if document["event"] == "tricast.alive" => {
                Event::Alive(document)
            }
            other => other,
        };
        // The payload of a ping is no id that a browser's program could resume from.
        if let Event::Document(document) | Event::Alive(document) = &event
            && let Some(id) = document["id"].as_str()
        {
            self.last_id = Some(id.to_owned());
        }
        event
    }

    /// The next document; passes over signs of life.
    pub async fn document(&mut self) -> Value {
        loop {
            match self.next().await {
                Event::Document(document) => return document,
                Event::Heartbeat(_) | Event::Alive(_) => {}
                other => panic!("{other:?} instead of a document on {}", self.wire.name()),
            }
        }
    }

    /// The next document, which must be this control frame.
    pub async fn control(&mut self, name: &str) -> Value {
        let document = self.document().await;
        assert_eq!(document["event"], format!("tricast.{name}"), "{document}");
        document
    }

    /// The data of the next document, which must be a message.
    pub async fn data(&mut self) -> Value {
        let document = self.document().await;
        assert!(document["channel"].is_string() && !document["data"].is_null(), "{document}");
        document["data"].clone()
    }

    /// The data of the next `count` messages.
    pub async fn all_data(&mut self, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.data().await);
        }
        all
    }

    /// The end of the stream.
    pub async fn end(&mut self) -> Event {
        loop {
            match self.next().await {
                Event::Heartbeat(_) | Event::Alive(_) => {}
                Event::Document(document) => panic!("{document} instead of the end"),
                end => return end,
            }
        }
    }

    /// The end of a raw WebSocket, after any messages.
    pub async fn raw_end(&mut self) -> Event {
        let Stream::Ws(socket) = &mut self.stream else { panic!("only a WebSocket") };
        loop {
            match timeout(PATIENCE, socket.next()).await.expect("goes on") {
                Some(Ok(Message::Close(frame))) => {
                    let read = |frame: CloseFrame| (frame.code.into(), frame.reason.to_string());
                    return Event::End(frame.map(read));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Event::Broken,
            }
        }
    }

    /// Reply something on a WebSocket.
    pub async fn send(&mut self, text: &str) {
        let Stream::Ws(socket) = &mut self.stream else { panic!("only a WebSocket talks") };
        socket.send(Message::text(text)).await.expect("takes a frame");
    }

    /// Breaks the connection off with a reset, as a crash or a lost network does.
    pub fn reset(self) {
        let socket = match &self.stream {
            Stream::Ws(socket) => socket.get_ref(),
            Stream::Http { connection, .. } => &connection.socket,
        };
        SockRef::from(socket).set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

fn take_event(wire: Wire, body: &mut Vec<u8>, retry: &mut Option<u64>) -> Option<Event> {
    if wire == Wire::Sse {
        // A comment without a blank line after it: a decoder that takes each blank line for an
        // event finds none.
        if body.starts_with(b":\n") {
            body.drain(..2);
            return Some(Event::Heartbeat(None));
        }
        let block = sse::take_block(body)?;
        if let Some(value) = &block.retry {
            *retry = value.parse().ok();
        }
        let Some(data) = block.data else { panic!("an empty event: {block:?}") };
        let document: Value = serde_json::from_str(&data).expect("a document");
        assert_eq!(
            block.id.as_deref(),
            document["id"].as_str(),
            "the block's id is the document's"
        );
        let name = block.event.as_deref().unwrap_or("message");
        assert_eq!(document["event"], name, "the block's event is the document's");
        return Some(Event::Document(document));
    }
    let end = body.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = body.drain(..=end).collect();
    if line == b"\n" {
        return Some(Event::Heartbeat(None));
    }
    Some(Event::Document(serde_json::from_slice(&line).expect("a document")))
}
