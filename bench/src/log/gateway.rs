//! A gateway with its log in memory or on disk, that tells of itself and can be killed.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::target::{Running, tricast};

/// How long a start, a stop or an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a gateway keeps its log, and when it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    Memory,
    /// On disk, with this `log.fsync`.
    Disk(&'static str),
}

impl Keeping {
    pub(super) fn name(self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::Disk(fsync) => format!("disk, fsync = \"{fsync}\""),
        }
    }
}

pub(super) struct Gateway {
    pub(super) running: Running,
    admin: SocketAddr,
    /// From the start of the process until it was ready.
    pub(super) started_in: Duration,
}

impl Gateway {
    /// Starts a gateway with its log in `folder` if it has one on disk, and waits until it is
    /// ready. `settings` are variables of its environment.
    pub(super) fn start(
        keeping: Keeping,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (admin_bind, path) = (admin.to_string(), folder.join("log"));
        let mut all = vec![("TRICAST__ADMIN__BIND", admin_bind.as_str())];
        if let Keeping::Disk(fsync) = keeping {
            let path = path.to_str().context("a path in UTF-8")?;
            all.extend([("TRICAST__LOG__PATH", path), ("TRICAST__LOG__FSYNC", fsync)]);
        }
        all.extend_from_slice(settings);
        let begin = Instant::now();
        let mut running = tricast("sse", "auto", "bench").launch_with(&all)?;
        while !is_ready(admin) {
            anyhow::ensure!(!running.process.has_ended(), "{}", running.process.last_stderr_line());
            anyhow::ensure!(begin.elapsed() < PATIENCE, "the gateway is not ready");
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { running, admin, started_in: begin.elapsed() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.running.address
    }

    pub(super) fn cpu(&self) -> Duration {
        self.running.process.usage().cpu()
    }

    /// Resident memory in MiB.
    pub(super) fn rss(&self) -> f64 {
        self.running.process.usage().rss() / 1024.0
    }

    /// The sum of a metric over its labels.
    pub(super) fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let answer = ask(self.admin, "/metrics")?;
        let of = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix(name)?;
            let rest = if rest.starts_with('{') { rest.split_once('}')?.1 } else { rest };
            rest.strip_prefix(' ')?.trim().parse().ok()
        };
        let values: Vec<f64> = answer.lines().filter_map(of).collect();
        anyhow::ensure!(!values.is_empty(), "the gateway has no metric {name}");
        Ok(values.iter().sum())
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    ask(admin, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn ask(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
