//! A model's service, played by a test one step at a time: a real HTTP server with OpenAI's
//! interface, whose calls the test answers itself.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
    task::JoinHandle,
    time::timeout,
};

use crate::Connection;

/// No call may take longer to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on a free port of this machine.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    calls: Mutex<UnboundedReceiver<UpstreamCall>>,
    serving: JoinHandle<()>,
}

/// One call, which the test answers.
#[derive(Debug)]
pub struct UpstreamCall {
    connection: Connection,
    /// The request's first line.
    pub line: String,
    /// Fields by lower-case name.
    pub fields: HashMap<String, String>,
    /// The body.
    pub body: Value,
}

impl Upstream {
    /// Begins to listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, calls) = unbounded_channel();
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    // A connection that closes before it has asked is no call.
                    let read = read_call(Connection::over(socket)).await;
                    read.into_iter().for_each(|call| drop(sender.send(call)));
                });
            }
        });
        Self { address, calls: Mutex::new(calls), serving }
    }

    /// The settings of an upstream `main` with the model `m`; `more` is appended to them.
    pub fn settings(&self, more: &str) -> String {
        format!(
            "[[llm]]\nname = \"main\"\nurl = \"http://{}/v1\"\nmodels = [\"m\"]\n\
             retries = 0\n{more}\n",
            self.address
        )
    }

    /// Waits for the next call.
    pub async fn call(&self) -> UpstreamCall {
        let mut calls = self.calls.lock().await;
        timeout(PATIENCE, calls.recv()).await.expect("a call in time").expect("it listens")
    }

    /// Whether nothing has called that no test has answered.
    pub async fn is_idle(&self) -> bool {
        self.calls.lock().await.is_empty()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn read_call(mut connection: Connection) -> Option<UpstreamCall> {
    let mut head_end = None;
    while head_end.is_none() {
        head_end = connection.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if head_end.is_none() && !connection.more().await {
            return None;
        }
    }
    let head: Vec<u8> = connection.buffer.drain(..head_end? + 4).collect();
    let head = String::from_utf8(head).expect("a head is text");
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let fields: HashMap<_, _> = lines.filter_map(field).collect();
    let length = fields.get("content-length").map_or(0, |text| text.parse().expect("a number"));
    let body = connection.take(length).await;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).ok()? };
    Some(UpstreamCall { connection, line, fields, body })
}

impl UpstreamCall {
    /// Begins the stream of an answer.
    pub async fn begin(&mut self) {
        // Each connection takes one call: one that is about to close must not be used again.
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.connection.send(head).await;
    }

    /// Sends one event.
    pub async fn event(&mut self, data: &str) {
        let event = format!("data: {data}\n\n");
        self.connection.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
    }

    /// Sends a piece of the answer.
    pub async fn delta(&mut self, content: &str) {
        let choice = json!({"index": 0, "delta": {"content": content}, "finish_reason": null});
        self.event(&json!({"choices": [choice]}).to_string()).await;
    }

    /// Ends the answer as a service does that has finished, with the usage.
    pub async fn finish(mut self) {
        let choice = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
        self.event(&json!({"choices": [choice]}).to_string()).await;
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
        self.event(&json!({"choices": [], "usage": usage}).to_string()).await;
        self.event("[DONE]").await;
        self.connection.send("0\r\n\r\n").await;
    }

    /// Answers with these pieces, and finishes.
    pub async fn answer(mut self, pieces: &[&str]) {
        self.begin().await;
        for piece in pieces {
            self.delta(piece).await;
        }
        self.finish().await;
    }

    /// Answers with a status and a document, and closes.
    pub async fn refuse(mut self, status: u16, body: &str) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        self.connection.send(head).await;
        let _ = self.connection.socket.shutdown().await;
    }

    /// Breaks off.
    pub fn cut(self) {}

    /// Waits until the gateway has closed the connection.
    pub async fn closed(mut self) {
        let mut bytes = [0; 64];
        let closing = async {
            while self.connection.socket.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        };
        timeout(PATIENCE, closing).await.expect("closes in time");
    }
}
