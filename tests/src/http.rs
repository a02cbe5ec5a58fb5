//! HTTP/1.1 as literal bytes on a TCP connection, so that nothing hides what the gateway sends.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tricast_core::Wire;

/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The fields that ask for a WebSocket: the example of RFC 6455 §1.2.
const UPGRADE: &str = "\r\nConnection: Upgrade\r\nUpgrade: websocket\
    \r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// The head of a request for a stream, without the line ends at its end.
pub fn stream_head(wire: Wire, target: &str) -> String {
    let fields = if wire == Wire::Ws { UPGRADE } else { "" };
    format!("GET /{}/{target} HTTP/1.1\r\nHost: t{fields}", wire.name())
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub socket: TcpStream,
    /// Bytes that have arrived and are not used yet.
    pub buffer: Vec<u8>,
}

/// A response's head.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status line.
    pub status_line: String,
    /// The status.
    pub status: u16,
    /// Fields by lower-case name.
    pub fields: HashMap<String, String>,
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Fields by lower-case name.
    pub fields: HashMap<String, String>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Head {
    /// The length of the body, if the head has it.
    pub fn content_length(&self) -> Option<usize> {
        self.fields.get("content-length").map(|length| length.parse().expect("a number"))
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// The name in a problem's type.
    pub fn problem(&self) -> String {
        assert_eq!(self.fields["content-type"], "application/problem+json", "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{document}");
        assert!(document["detail"].as_str().is_some_and(|text| text.len() > 10), "{document}");
        let name = document["type"].as_str().and_then(|urn| urn.strip_prefix("urn:tricast:"));
        let name = name.expect("a type").to_owned();
        assert_eq!(self.fields["tricast-problem"], name, "the header names the problem too");
        name
    }
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("connects"))
    }

    /// Over a socket that is connected.
    pub fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("a socket");
        Self { socket, buffer: Vec::new() }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.expect("takes bytes");
    }

    /// The same to a peer that may have closed the connection; tells whether it was sent.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends a request and reads the whole response.
    pub async fn request(mut self, head: &str, body: &[u8]) -> Answer {
        self.send(format!("{head}\r\n\r\n")).await;
        // The gateway may refuse before it has read everything.
        let _ = self.socket.write_all(body).await;
        let head_only = head.starts_with("HEAD ");
        let head = self.head().await;
        let mut body = Vec::new();
        if head_only {
            return Answer { status: head.status, fields: head.fields, body };
        }
        if let Some(length) = head.content_length() {
            body = self.take(length).await;
        } else if head.fields.contains_key("transfer-encoding") {
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
        }
        Answer { status: head.status, fields: head.fields, body }
    }

    /// Reads exactly so many bytes.
    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.more().await, "the body broke off");
        }
        self.buffer.drain(..length).collect()
    }

    /// Reads more into the buffer; `false` at the end of the connection.
    pub async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.buffer)).await;
        let read = read.unwrap_or_else(|_| {
            panic!("nothing more after {:?}", String::from_utf8_lossy(&self.buffer))
        });
        // A reset is an end too.
        read.is_ok_and(|count| count > 0)
    }

    /// Reads everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    /// Reads a response's head.
    pub async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            assert!(self.more().await, "no head: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let text: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let text = String::from_utf8(text).expect("ASCII");
        let mut lines = text.trim_end().split("\r\n");
        let status_line = lines.next().expect("a status line").to_owned();
        let status = status_line.split(' ').nth(1).expect("a status").parse().expect("a number");
        let mut fields: HashMap<String, String> = HashMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a field");
            let field = fields.entry(name.to_ascii_lowercase()).or_default();
            if !field.is_empty() {
                field.push_str(", ");
            }
            field.push_str(value);
        }
        Head { status_line, status, fields }
    }

    /// Reads one chunk; `None` is the last one, of length 0. Fails if the connection ends before
    /// it.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        self.try_chunk().await.expect("the body ends with its last chunk")
    }

    /// Like [`chunk`](Self::chunk); an error when the connection ends before the last chunk.
    pub async fn try_chunk(&mut self) -> Result<Option<Vec<u8>>, &'static str> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let size = std::str::from_utf8(&self.buffer[..at]).expect("ASCII");
                let size = usize::from_str_radix(size, 16).expect("a chunk size");
                let whole = at + 2 + size + 2;
                if self.buffer.len() >= whole {
                    let chunk = self.buffer[at + 2..at + 2 + size].to_vec();
                    assert_eq!(&self.buffer[whole - 2..whole], b"\r\n");
                    self.buffer.drain(..whole);
                    return Ok((size > 0).then_some(chunk));
                }
            }
            if !self.more().await {
                return Err("the connection ended before the last chunk");
            }
        }
    }
}

/// Reads exactly as many bytes as `expected` has and compares.
pub async fn expect_bytes(connection: &mut Connection, expected: &[u8]) {
    let got = connection.take(expected.len()).await;
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(expected));
    assert_eq!(got, expected);
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
