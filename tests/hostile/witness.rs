//! Normal clients: a backend that publishes steadily, and a subscriber on each wire that counts
//! what it receives.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    task::JoinHandle,
    time::{Instant, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tricast_tests::{Connection, Reader, Wire};

/// Between two messages.
const PACE: Duration = Duration::from_millis(20);

/// The normal clients.
pub(crate) struct Witness {
    seen: Arc<Mutex<Vec<Duration>>>,
    stop: CancellationToken,
    publisher: JoinHandle<u64>,
    subscribers: Vec<JoinHandle<u64>>,
}

/// The measurements of a time.
pub(crate) struct Latency(Vec<Duration>);

impl Witness {
    /// Begins to publish and to subscribe.
    pub(crate) async fn start(address: SocketAddr, key: &'static str) -> Self {
        let (began, stop) = (Instant::now(), CancellationToken::new());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut subscribers = Vec::new();
        for wire in Wire::ALL {
            let mut reader = Reader::open(&address, wire, "public").await;
            reader.control("hello").await;
            let seen = seen.clone();
            subscribers.push(tokio::spawn(async move { listen(&mut reader, began, &seen).await }));
        }
        let publisher = tokio::spawn(publish(address, key, began, stop.clone()));
        Self { seen, stop, publisher, subscribers }
    }

    /// The latency during the next `time`.
    pub(crate) async fn watch_for(&self, time: Duration) -> Latency {
        self.seen.lock().expect("no panic").clear();
        sleep(time).await;
        let mut seen = std::mem::take(&mut *self.seen.lock().expect("no panic"));
        seen.sort_unstable();
        Latency(seen)
    }

    /// Ends, once every subscriber has everything that was published, in order.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        let published = self.publisher.await.expect("every publish was accepted");
        for subscriber in self.subscribers {
            let heard = timeout(Duration::from_secs(30), subscriber).await.expect("the end comes");
            assert_eq!(heard.expect("everything came in order"), published);
        }
    }
}

/// Publishes numbered messages on one connection, and the end; gives how many.
async fn publish(address: SocketAddr, key: &str, began: Instant, stop: CancellationToken) -> u64 {
    let mut connection = Connection::open(address).await;
    let mut beat = interval(PACE);
    let mut number = 0;
    loop {
        beat.tick().await;
        let last = stop.is_cancelled();
        number += 1;
        let body = format!("{{\"n\":{number},\"at\":{}}}", began.elapsed().as_micros());
        let end = if last { "?end=true" } else { "" };
        let head = format!(
            "POST /publish/public{end} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}\
             \r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.socket.write_all(head.as_bytes()).await.expect("takes it");
        let answer = connection.head().await;
        assert_eq!(answer.status, 200, "message {number}: {answer:?}");
        connection.take(answer.content_length().expect("a length")).await;
        if last {
            return number;
        }
    }
}

/// Reads to the end; returns the number of messages, each of which is the next one.
async fn listen(reader: &mut Reader, began: Instant, seen: &Mutex<Vec<Duration>>) -> u64 {
    let mut number = 0;
    loop {
        let document = reader.document().await;
        if document["event"] == "tricast.goodbye" {
            assert_eq!(document["reason"], "ended", "{document}");
            return number;
        }
        let now = began.elapsed();
        assert_eq!(document["data"]["n"].as_u64(), Some(number + 1), "{document}");
        number += 1;
        let at = Duration::from_micros(document["data"]["at"].as_u64().expect("a time"));
        seen.lock().expect("no panic").push(now.saturating_sub(at));
    }
}

impl Latency {
    /// Of all messages on all wires.
    pub(crate) fn p99(&self) -> Duration {
        self.at(99)
    }

    fn at(&self, percent: usize) -> Duration {
        self.0.get(self.0.len() * percent / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, most) = (self.at(50), self.at(99), self.0.last());
        write!(f, "{} deliveries, p50 {p50:?}, p99 {p99:?}, at most {most:?}", self.0.len())
    }
}
