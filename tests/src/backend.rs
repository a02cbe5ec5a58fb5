//! The user's own service, played by tests: a real HTTP server that records each call and answers
//! as the test sets it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::Connection;

/// One call, as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request's first line.
    pub line: String,
    /// Fields by lower-case name.
    pub fields: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 and this document.
    Json(Value),
    /// This status and body.
    Status(u16, String),
    /// These bytes, and the end of the connection.
    Raw(String),
    /// The end of the connection.
    HangUp,
    /// Nothing, for ever.
    Nothing,
    /// That, once there is a permit.
    Once(Arc<Semaphore>, Box<Reply>),
}

type Answers = Box<dyn FnMut(&Call) -> Reply + Send>;

/// A server on a free port of this machine. Dropped, it is gone with its connections.
pub struct Backend {
    /// The address at which it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    calls: Mutex<Vec<Call>>,
    answers: Mutex<Answers>,
}

impl Backend {
    /// One that answers as `answers` says.
    pub async fn start(answers: impl FnMut(&Call) -> Reply + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0", answers).await
    }

    /// The same at an address.
    pub async fn start_at(
        address: &str,
        answers: impl FnMut(&Call) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared =
            Arc::new(Shared { calls: Mutex::default(), answers: Mutex::new(Box::new(answers)) });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, shared.clone()));
        Self { address, shared, _serving: serving }
    }

    /// A service that allows everything.
    pub async fn yes() -> Self {
        Self::start(|_| Reply::Json(json!({"allow": true}))).await
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/told", self.address)
    }

    /// From now on it answers so.
    pub fn answer(&self, answers: impl FnMut(&Call) -> Reply + Send + 'static) {
        *lock(&self.shared.answers) = Box::new(answers);
    }

    /// From now on it always answers so.
    pub fn always(&self, reply: Reply) {
        self.answer(move |_| reply.clone());
    }

    /// The calls until now.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// The bodies of the calls until now.
    pub fn asked(&self) -> Vec<Value> {
        self.calls().iter().map(Call::json).collect()
    }
}

impl Call {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("address", &self.address).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Its connections end with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(converse(socket, shared.clone()));
    }
}

async fn converse(socket: TcpStream, shared: Arc<Shared>) {
    let mut connection = Connection { socket, buffer: Vec::new() };
    while let Some(call) = next_call(&mut connection).await {
        lock(&shared.calls).push(call.clone());
        let mut reply = (lock(&shared.answers))(&call);
        while let Reply::Once(permits, then) = reply {
            permits.acquire().await.expect("open").forget();
            reply = *then;
        }
        let (status, body) = match reply {
            Reply::Json(document) => (200, document.to_string()),
            Reply::Status(status, body) => (status, body),
            Reply::Raw(bytes) => {
                let _ = connection.socket.write_all(bytes.as_bytes()).await;
                return;
            }
            Reply::HangUp | Reply::Once(..) => return,
            Reply::Nothing => std::future::pending().await,
        };
        let head = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n", body.len());
        if connection.socket.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// `None` when the gateway has closed the connection.
async fn next_call(connection: &mut Connection) -> Option<Call> {
    use tokio::io::AsyncReadExt as _;
    let end = loop {
        let found = connection.buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(at) = found {
            break at + 4;
        }
        // It may keep an idle connection for as long as it likes.
        if connection.socket.read_buf(&mut connection.buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head: Vec<u8> = connection.buffer.drain(..end).collect();
    let head = String::from_utf8(head).expect("UTF-8");
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().expect("a request line").to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a field");
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let fields: HashMap<_, _> = lines.map(field).collect();
    let length = fields.get("content-length").map_or(0, |text| text.parse().expect("a number"));
    let body = connection.take(length).await;
    Some(Call { line, fields, body })
}
