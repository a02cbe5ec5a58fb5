//! The servers to measure: how a server is started, what its subscribers send, how one publishes to
//! it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::{process::Process, subscribers::SubscribeRequest};

/// One server on one wire.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) server: String,
    pub(crate) wire: String,
    pub(crate) program: ServerProgram,
    pub(crate) subscribe: SubscribeRequest,
    pub(crate) publish: PublishRequest,
    /// Takes JSON lines, so that a burst is one request.
    pub(crate) lines: Option<PublishRequest>,
}

/// How a server is started, given a port.
#[derive(Clone, Debug)]
pub(crate) enum ServerProgram {
    /// This program's floor, sending in this way.
    Floor(&'static str),
    /// The gateway, with this `delivery`.
    Tricast(&'static str),
    /// A script of `bench/peers`.
    Peer(&'static str),
}

/// A request that publishes; `{data}` stands for the data, `{length}` for the body's length.
#[derive(Clone, Debug)]
pub(crate) struct PublishRequest {
    pub(crate) head: String,
    pub(crate) body: String,
    /// Gives what stands for `{signed}`, for servers that want each body signed.
    pub(crate) sign: Option<fn(&str) -> String>,
}

/// A handshake's fields.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl SubscribeRequest {
    /// `fields` are whole lines. A WebSocket sends `frames` once it is open.
    pub(crate) fn new(path: &str, fields: &str, ws: bool, frames: &[&str]) -> Self {
        let upgrade = if ws { UPGRADE } else { "" };
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}{upgrade}\r\n");
        Self { head, frames: frames.iter().map(|&frame| frame.to_owned()).collect() }
    }
}

impl PublishRequest {
    /// `fields` are whole lines.
    pub(crate) fn new(path: &str, fields: &str, body: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             {fields}Content-Length: {{length}}\r\n\r\n"
        );
        Self { head, body: body.to_owned(), sign: None }
    }

    /// Publishes and waits for the answer.
    pub(crate) fn send(&self, address: SocketAddr, data: &str) -> anyhow::Result<()> {
        let body = self.body.replace("{data}", data);
        let mut head = self.head.replace("{length}", &body.len().to_string());
        if let Some(sign) = self.sign {
            head = head.replace("{signed}", &sign(&body));
        }
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).context("no answer to a publish")?;
        let answer = String::from_utf8_lossy(&answer);
        anyhow::ensure!(answer.starts_with("HTTP/1.1 2"), "a publish was answered {answer:?}");
        // The side that closes first keeps the port for a minute: let that be the server.
        let mut rest = [0; 512];
        while socket.read(&mut rest).is_ok_and(|count| count > 0) {}
        Ok(())
    }
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Target {
    /// Starts the server on a free port and waits until it accepts.
    pub(crate) fn start(&self) -> anyhow::Result<Running> {
        self.start_with(&[])
    }

    /// The same with further variables in its environment.
    pub(crate) fn start_with(&self, settings: &[(&str, &str)]) -> anyhow::Result<Running> {
        let mut running = self.launch_with(settings)?;
        let begin = Instant::now();
        while TcpStream::connect(running.address).is_err() {
            anyhow::ensure!(!running.process.has_ended(), "{}", running.process.last_stderr_line());
            let timeout = Duration::from_secs(20);
            anyhow::ensure!(begin.elapsed() < timeout, "{} does not accept", self.server);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    /// Starts the server on a free port, and does not wait for it.
    pub(crate) fn launch_with(&self, settings: &[(&str, &str)]) -> anyhow::Result<Running> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = self.program.command(address)?;
        command.envs(settings.iter().copied());
        Ok(Running { process: Process::start(&mut command)?, address })
    }
}

impl ServerProgram {
    fn command(&self, address: SocketAddr) -> anyhow::Result<Command> {
        let this = std::env::current_exe()?;
        match self {
            ServerProgram::Floor(mode) => {
                let mut command = Command::new(this);
                command.args(["floor", "--bind", &address.to_string(), "--calls", mode]);
                Ok(command)
            }
            ServerProgram::Tricast(delivery) => {
                let program = this.with_file_name("tricast");
                anyhow::ensure!(program.exists(), "build the gateway first: {}", program.display());
                let mut command = Command::new(program);
                command
                    .env("TRICAST__BIND", address.to_string())
                    .env("TRICAST__ADMIN__BIND", "127.0.0.1:0")
                    .env("TRICAST__STREAM__HEARTBEAT", "1h")
                    .env("TRICAST__DELIVERY", delivery);
                Ok(command)
            }
            ServerProgram::Peer(name) => {
                let script = peers().join(format!("{name}.sh"));
                let mut command = Command::new(script);
                command.arg(address.port().to_string());
                Ok(command)
            }
        }
    }
}

/// Where the peers' scripts are.
fn peers() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The floor, which every ratio is to.
pub(crate) fn floor() -> Target {
    floor_with("epoll")
}

fn floor_with(mode: &'static str) -> Target {
    Target {
        server: "floor".into(),
        wire: mode.into(),
        program: ServerProgram::Floor(mode),
        subscribe: SubscribeRequest::new("/", "", false, &[]),
        publish: PublishRequest::new("/", "", "{data}"),
        lines: None,
    }
}

/// The gateway, subscribed and published to on `channel`.
pub(crate) fn tricast(wire: &str, delivery: &'static str, channel: &str) -> Target {
    let text = "Content-Type: text/plain\r\n";
    let lines = "Content-Type: application/x-ndjson\r\n";
    let path = format!("/publish/{channel}");
    Target {
        server: format!("tricast {delivery}"),
        wire: wire.into(),
        program: ServerProgram::Tricast(delivery),
        subscribe: SubscribeRequest::new(&format!("/{wire}/{channel}"), "", wire == "ws", &[]),
        publish: PublishRequest::new(&path, text, "{data}"),
        lines: Some(PublishRequest::new(&path, lines, "{data}")),
    }
}

/// Everything that is compared.
pub(crate) fn all() -> Vec<Target> {
    let mut all = vec![floor(), floor_with("io_uring")];
    for delivery in ["io_uring", "epoll", "generic"] {
        all.extend(["sse", "chunked", "ws"].map(|wire| tricast(wire, delivery, "bench")));
    }
    all.extend(crate::peers::all());
    all
}
