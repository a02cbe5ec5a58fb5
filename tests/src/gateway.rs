//! A gateway in this process, on free ports.

use std::{cell::OnceCell, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};
use tricast::{
    Gateway,
    settings::{Address, LogEngine, Settings},
};
use tricast_core::{Engine, Log};

use crate::{
    Answer, Connection, HeldEngine, Samples,
    bridge::Bridge,
    certificate::Certificate,
    way::{Way, delivery},
};

/// A running gateway and how to talk to it.
#[derive(Debug)]
pub struct Server {
    /// The gateway.
    pub gateway: Gateway,
    /// The bridge to it, if the transport under test is not in clear.
    bridge: Option<Bridge>,
    /// The directory of its log, if the engine under test is that on disk.
    _log: Option<TempDir>,
}

/// Where clients connect.
pub trait Endpoint {
    /// The address of the public listener.
    fn address(&self) -> SocketAddr;

    /// The size of a reader's receive buffer; the kernel's default, if `None`.
    fn receive_buffer(&self) -> Option<u32> {
        None
    }
}

/// A server whose readers have little room: what they do not read stays with the gateway.
#[derive(Debug)]
pub struct SmallBuffer<'a>(pub &'a Server);

impl Endpoint for SmallBuffer<'_> {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    fn receive_buffer(&self) -> Option<u32> {
        Some(64 << 10)
    }
}

/// A reader's socket, connected.
pub(crate) async fn connect(endpoint: &impl Endpoint) -> io::Result<TcpStream> {
    let address = endpoint.address();
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = endpoint.receive_buffer() {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect(address).await
}

impl Endpoint for Server {
    fn address(&self) -> SocketAddr {
        match &self.bridge {
            Some(bridge) => bridge.address,
            None => self.gateway.address().expect("one in clear"),
        }
    }
}

impl Endpoint for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

/// Makes a directory for the log of a gateway whose settings say nothing of it, if the variable
/// `LOG_ON_DISK` asks for that: all tests can run over the engine on disk, too.
fn log_folder(settings: &mut Settings) -> Option<TempDir> {
    let is_unset = settings.log.engine == LogEngine::Auto && !settings.log.is_on_disk();
    if !is_unset || std::env::var_os("LOG_ON_DISK").is_none() {
        return None;
    }
    let folder = TempDir::new().expect("a directory");
    settings.log.path = folder.path().to_owned();
    Some(folder)
}

impl Server {
    /// With the built-in settings.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// With `settings` in TOML over the built-in ones.
    pub async fn with(settings: &str) -> Self {
        Self::open(settings, |settings| Gateway::start(settings).expect("starts")).await
    }

    /// With a log in memory alone, whatever `LOG_ON_DISK` says: what leaves its rings is lost.
    pub async fn in_memory(settings: &str) -> Self {
        Self::with(&format!("{settings}\n[log]\nengine = \"memory\"")).await
    }

    /// With an engine whose messages settle when the test says so.
    pub async fn with_held_engine(settings: &str) -> (Self, HeldEngine) {
        let made = OnceCell::new();
        let server = Self::open(settings, |settings| {
            let make = |log| made.get_or_init(|| HeldEngine::new(log)).clone();
            let started = Gateway::start_with_engine(settings, |log| Arc::new(make(log)));
            started.expect("starts")
        })
        .await;
        (server, made.into_inner().expect("was made"))
    }

    /// With an engine of the test's choice.
    pub async fn with_engine(
        settings: &str,
        make: impl FnOnce(Arc<Log>) -> Arc<dyn Engine>,
    ) -> Self {
        let start = |settings| Gateway::start_with_engine(settings, make).expect("starts");
        Self::open(settings, start).await
    }

    async fn open(settings: &str, start: impl FnOnce(Settings) -> Gateway) -> Self {
        let mut settings = Settings::from_toml(settings).expect("good settings");
        settings.delivery = delivery();
        settings.admin.bind.set_port(0);
        for address in &mut settings.bind {
            if let Address::Tcp(address) = address {
                address.set_port(0);
            }
        }
        let log = log_folder(&mut settings);
        let transport = Way::under_test().transport();
        let certificate = transport.is_encrypted().then(Certificate::make);
        if let Some(certificate) = &certificate {
            settings.tls = certificate.settings(settings.tls);
        }
        let gateway = start(settings);
        let bridge = Bridge::open(transport, &gateway, certificate).await;
        Self { gateway, bridge, _log: log }
    }

    /// A connection to the public listener.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address()).await
    }

    /// Sends one request; `head` is its first line and fields, without line ends at the end.
    pub async fn request(&self, head: &str, body: &[u8]) -> Answer {
        self.connect().await.request(head, body).await
    }

    /// `GET` from the public listener.
    pub async fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: t"), b"").await
    }

    /// `GET` from the admin listener.
    pub async fn admin(&self, path: &str) -> Answer {
        let connection = Connection::open(self.gateway.admin_address).await;
        connection.request(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1"), b"").await
    }

    /// `POST` with a `Content-Type`, if any.
    pub async fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {}", body.len());
        if !content_type.is_empty() {
            head.push_str(&format!("\r\nContent-Type: {content_type}"));
        }
        self.request(&head, body).await
    }

    /// Publishes text; gives the message's id.
    pub async fn publish(&self, path_and_query: &str, text: &str) -> String {
        let answer = self.post(&format!("/publish/{path_and_query}"), "", text.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// `/online/{channel}`
    pub async fn online(&self, channel: &str) -> Value {
        self.get(&format!("/online/{channel}")).await.json()
    }

    /// A metric's value, by its name and labels as they stand in `/metrics`.
    pub async fn metric(&self, series: &str) -> f64 {
        self.metrics().await.value(series)
    }

    /// All metrics.
    pub async fn metrics(&self) -> Samples {
        Samples::read(&self.admin("/metrics").await.text())
    }
}

/// Waits until `check` gives something; fails after ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
