//! The program, with a channel full of history, and what it takes of memory.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
    time::timeout,
};
use tricast_tests::{Certificate, Connection, Reader, Samples, Wire, eventually, program};

/// The channel that attackers ask about. It holds more than fits in an answer.
pub(crate) const FULL: &str = "full";

const MESSAGES: usize = 40;
const MESSAGE: usize = 60_000;

pub(crate) struct Gateway {
    child: Child,
    pub(crate) clear: SocketAddr,
    pub(crate) encrypted: SocketAddr,
    admin: SocketAddr,
    /// The id of a message in [`FULL`].
    pub(crate) message: String,
}

impl Gateway {
    pub(crate) async fn start(delivery: &str, certificate: &Certificate) -> Self {
        Self::start_with(delivery, certificate, &[]).await
    }

    /// The same with more `settings`, as the environment says them.
    pub(crate) async fn start_with(
        delivery: &str,
        certificate: &Certificate,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut command = program::tricast();
        command
            .env("TRICAST__DELIVERY", delivery)
            .env("TRICAST__TLS__BIND", "127.0.0.1:0")
            .env("TRICAST__TLS__CERTIFICATE", certificate.file("cert.pem"))
            .env("TRICAST__TLS__KEY", certificate.file("key.pem"))
            // An end after bytes that are not read is seen when a heartbeat is due.
            .env("TRICAST__STREAM__HEARTBEAT", "1s")
            // This test does not ask whether a gateway sheds load beside busy processors.
            .env("TRICAST__LIMITS__OVERLOAD", "1h")
            .env("TRICAST__LOGGING__LEVEL", "error")
            .envs(settings.iter().copied());
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).await.expect("reads");
        let at = |before: &str| {
            let rest = line.split_once(before).unwrap_or_else(|| panic!("{line}")).1;
            let address = rest.split([',', '\n']).next().expect("an address");
            address.parse::<SocketAddr>().expect("an address")
        };
        let (clear, encrypted) = (at("listening on http://"), at("https://"));
        let admin = at("admin on http://");
        let mut gateway = Self { child, clear, encrypted, admin, message: String::new() };
        for _ in 0..MESSAGES {
            gateway.message = gateway.publish(FULL, &"x".repeat(MESSAGE)).await;
        }
        // The first use of each part takes memory once.
        gateway.serves_others().await;
        let page = format!("GET /history/{FULL} HTTP/1.1\r\nHost: t");
        assert_eq!(gateway.ask(&page, b"").await.status, 200);
        gateway
    }

    /// Its memory now, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that it has ever had.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let process = self.child.id().expect("it lives");
        let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it lives");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("is there");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Another client publishes, and one receives.
    pub(crate) async fn serves_others(&self) {
        for wire in Wire::ALL {
            let mut reader = Reader::open(&self.clear, wire, "others").await;
            reader.control("hello").await;
            self.publish("others", wire.name()).await;
            let document = timeout(Duration::from_secs(10), reader.document()).await;
            assert_eq!(document.expect("in time")["data"], wire.name());
        }
    }

    pub(crate) async fn publish(&self, channel: &str, text: &str) -> String {
        let length = text.len();
        let head =
            format!("POST /publish/{channel} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}");
        let answer = self.ask(&head, text.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn ask(&self, head: &str, body: &[u8]) -> tricast_tests::Answer {
        Connection::open(self.clear).await.request(head, body).await
    }

    /// The number of its sockets, including the one for this request.
    pub(crate) async fn sockets(&self) -> f64 {
        self.metrics().await.value("tricast_sockets")
    }

    pub(crate) async fn metrics(&self) -> Samples {
        let connection = Connection::open(self.admin).await;
        let answer = connection.request("GET /metrics HTTP/1.1\r\nHost: localhost", b"").await;
        Samples::read(&answer.text())
    }

    /// Waits until no client is left: no socket, and no reader.
    pub(crate) async fn wait_for_sockets(&self, sockets: f64) {
        eventually("the attacker is gone", || async {
            let online = self.ask(&format!("GET /online/{FULL} HTTP/1.1\r\nHost: t"), b"").await;
            let nobody = online.json()["connections"] == 0;
            (nobody && self.sockets().await <= sockets).then_some(())
        })
        .await;
    }
}
