//! Many connections, each of which asks for little and reads nothing: the memory of the gateway for
//! all of them together.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Duration, Instant, timeout},
};
use tricast_tests::{Certificate, Wire, eventually, stream_head};

use crate::{DELIVERIES, gateway::Gateway, http1::frame};

/// The channel that all of them ask about. Each byte of it takes six in JSON.
const SPELLED_LONG: &str = "spelled-long";

const CONNECTIONS: usize = 100;

/// Requests at once on a connection of HTTP/2.
const REQUESTS: usize = 4;

/// `limits.answer_memory`.
const ANSWERS: u64 = 8 << 20;

/// The memory of a hundred connections beside their answers, and of answers being built.
const SLACK: u64 = 32 << 20;

const PATIENCE: Duration = Duration::from_secs(30);

/// The kind of request.
#[derive(Clone, Copy, Debug)]
enum Way {
    Http1,
    Http2,
    WebSocket,
}

/// A connection that has had the beginning of its answer, and what keeps it open.
struct Asker {
    answered: bool,
    _held: Box<dyn std::any::Any + Send>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_that_do_not_read_do_not_exhaust_memory() {
    let certificate = Certificate::make();
    let mut failures = Vec::new();
    for delivery in DELIVERIES {
        for way in [Way::Http1, Way::Http2, Way::WebSocket] {
            failures.extend(way.run(delivery, &certificate).await);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

impl Way {
    /// Reply what is wrong, if anything is.
    async fn run(self, delivery: &str, certificate: &Certificate) -> Option<String> {
        let memory = ANSWERS.to_string();
        let settings = [
            ("TRICAST__LIMITS__ANSWER_MEMORY", memory.as_str()),
            // They answer no pings.
            ("TRICAST__STREAM__HEARTBEAT", "15s"),
        ];
        let gateway = Gateway::start_with(delivery, certificate, &settings).await;
        for _ in 0..4 {
            gateway.publish(SPELLED_LONG, &"\u{1}".repeat(260_000)).await;
        }
        gateway.serves_others().await;
        let history = format!("GET /history/{SPELLED_LONG} HTTP/1.1\r\nHost: t");
        assert_eq!(gateway.ask(&history, b"").await.status, 200);
        let (idle, sockets) = (gateway.memory(), gateway.sockets().await);
        let asked = Instant::now();
        let crowd = join_all((0..CONNECTIONS).map(|_| self.ask(gateway.clear)));
        let crowd = timeout(PATIENCE, crowd).await.expect("each is answered or refused");
        let took = asked.elapsed().as_secs_f32();
        let answered = crowd.iter().filter(|asker| asker.answered).count();
        gateway.serves_others().await;
        let growth = gateway.peak().saturating_sub(idle);
        drop(crowd);
        gateway.wait_for_sockets(sockets).await;
        eventually("there is room again", || async {
            let held = gateway.metrics().await.value("tricast_answer_bytes");
            (held == 0.0).then_some(())
        })
        .await;
        assert_eq!(gateway.ask(&history, b"").await.status, 200);
        let said = format!(
            "{self:?}, {delivery}: {} KiB more than idle; \
             {answered} of {CONNECTIONS} answered, all within {took:.1} s",
            growth >> 10
        );
        println!("{said}");
        let right = growth < ANSWERS + SLACK && (1..CONNECTIONS).contains(&answered);
        (!right).then_some(said)
    }

    /// Asks, and reads no more than shows whether it is refused.
    async fn ask(self, gateway: SocketAddr) -> Asker {
        match self {
            Self::Http1 => {
                let request = format!("GET /history/{SPELLED_LONG} HTTP/1.1\r\nHost: t\r\n\r\n");
                let mut socket = connect(gateway).await;
                socket.write_all(request.as_bytes()).await.expect("sends");
                let answered = begins(&mut socket, "HTTP/1.1 200", "HTTP/1.1 503").await;
                Asker { answered, _held: Box::new(socket) }
            }
            Self::WebSocket => {
                let head = format!("{}\r\n\r\n", stream_head(Wire::Ws, "idle"));
                let command = format!("{{\"type\":\"history\",\"channel\":\"{SPELLED_LONG}\"}}");
                let mut socket = connect(gateway).await;
                let said = [head.as_bytes(), &frame(1, command.as_bytes())].concat();
                socket.write_all(&said).await.expect("sends");
                let answered = begins(&mut socket, "tricast.ack", "urn:tricast:overloaded").await;
                Asker { answered, _held: Box::new(socket) }
            }
            Self::Http2 => ask_over_http2(connect(gateway).await).await,
        }
    }
}

/// With little room of its own, so that what is not read stays with the gateway.
async fn connect(gateway: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    socket.connect(gateway).await.expect("connects")
}

/// Reads until one of these has come; whether it was the first.
async fn begins(socket: &mut TcpStream, good: &str, bad: &str) -> bool {
    let mut read = Vec::new();
    loop {
        let mut some = [0; 64];
        let count = socket.read(&mut some).await.expect("reads");
        assert!(count > 0, "it ended: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&some[..count]);
        let has = |word: &str| read.windows(word.len()).any(|part| part == word.as_bytes());
        if has(good) || has(bad) {
            return has(good);
        }
    }
}

/// Several requests, with a window of one byte for each answer.
async fn ask_over_http2(socket: TcpStream) -> Asker {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1);
    let (sender, connection) = builder.handshake::<_, Bytes>(socket).await.expect("HTTP/2");
    let driver = tokio::spawn(async move {
        // It ends when this client has gone.
        let _ = connection.await;
    });
    let mut answers = Vec::new();
    for _ in 0..REQUESTS {
        let mut sender = sender.clone().ready().await.expect("is open");
        let request = Request::get(format!("http://t/history/{SPELLED_LONG}"));
        let request = request.body(()).expect("a request");
        answers.push(sender.send_request(request, true).expect("sends").0);
    }
    // While one is not read, others may wait for its room.
    let (mut heads, mut answers) =
        (Vec::new(), answers.into_iter().collect::<FuturesUnordered<_>>());
    while let Some(head) = answers.next().await {
        heads.push(head.expect("answers"));
        if heads.last().is_some_and(|head| head.status() == 200) {
            break;
        }
    }
    let answered = heads.last().is_some_and(|head| head.status() == 200);
    Asker { answered, _held: Box::new((heads, answers, sender, AbortOnDrop(driver))) }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
