//! A server under measurement: another process, seen from outside through /proc.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    Sse,
    Chunked,
    Ws,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::Sse => "sse",
            Kind::Chunked => "chunked",
            Kind::Ws => "ws",
        }
    }
}

pub(crate) struct Server {
    child: Child,
    kind: Kind,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(program: &str, kind: Kind) -> Self {
        let mut command = match kind {
            Kind::Floor => {
                let mut command = Command::new(std::env::current_exe().expect("a path"));
                command.arg("floor");
                command
            }
            _ => {
                let mut command = Command::new(program);
                command
                    .env("TRICAST__BIND", "127.0.0.1:0")
                    .env("TRICAST__ADMIN__BIND", "127.0.0.1:0");
                command.env("TRICAST__STREAM__HEARTBEAT", "1h").stderr(Stdio::null());
                command
            }
        };
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("reads");
        let address =
            line.split("http://").nth(1).expect(&line).split(',').next().expect("an address");
        Self { child, kind, address: address.trim().parse().expect("an address") }
    }

    /// What a subscriber sends.
    pub(crate) fn request(&self) -> String {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let fields = if self.kind == Kind::Ws { upgrade } else { "" };
        let wire = if self.kind == Kind::Floor { "sse" } else { self.kind.name() };
        format!("GET /{wire}/bench HTTP/1.1\r\nHost: t\r\n{fields}\r\n")
    }

    /// Publishes one message of `size` bytes and waits for the answer.
    pub(crate) fn publish(&self, n: usize, size: usize) {
        let text = format!("{n:0>size$}");
        // The floor sends what Tricast would: a document of the same length, framed for SSE.
        let body = match self.kind {
            Kind::Floor => format!(
                "data: {{\"id\":\"touo0ylw-{n}\",\"channel\":\"bench\",\"event\":\"message\",\"data\":\"{text}\",\"online\":5000,\"time\":1795230000000}}\nid: touo0ylw-{n}\n\n"
            ),
            _ => text,
        };
        let request = format!(
            "POST /publish/bench HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = TcpStream::connect(self.address).expect("connects");
        socket.write_all(request.as_bytes()).expect("sends");
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).expect("answers");
        assert_eq!(&answer, b"HTTP/1.1 200");
    }

    /// Resident memory.
    pub(crate) fn rss_kib(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// CPU time of all its threads, user and kernel, in the kernel's own accounting: nanoseconds
    /// from the scheduler, not ticks.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("runs");
        let of_task = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        Duration::from_nanos(tasks.filter_map(of_task).sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
