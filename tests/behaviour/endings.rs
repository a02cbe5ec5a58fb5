//! The end of a stream in the metrics: each stream that opened ends once, with one reason.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use h2::{client::SendRequest, ext::Protocol};
use http::{Method, Request};
use serde_json::json;
use socket2::SockRef;
use tokio::net::TcpStream;
use tricast_core::StreamEnd;
use tricast_tests::{
    Connection, Reader, SECRET, Samples, Server, Way, Wire, eventually, reader_with_backlog,
    stream_head, token_of,
};

/// The streams of `wire` that have ended, by their reason; `None` where the samples do not fit
/// together, because a scrape does not read all of them at one moment.
fn ends(metrics: &Samples, wire: Wire) -> Option<BTreeMap<&'static str, u32>> {
    let wire = format!("wire=\"{}\"", wire.name());
    let of = |name: &str, labels: &[&str]| metrics.sum(&format!("tricast_{name}"), labels);
    let count = |end: StreamEnd| {
        let reason = format!("reason=\"{}\"", end.name());
        (end.name(), of("connections_closed_total", &[&wire, &reason]) as u32)
    };
    let ends: BTreeMap<_, _> =
        StreamEnd::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect();
    let all = of("connections_closed_total", &[&wire]);
    assert_eq!(f64::from(ends.values().sum::<u32>()), all, "there is no other reason");
    let open = of("connections_opened_total", &[&wire]) - all;
    (of("connections", &[&wire]) == open).then_some(ends)
}

/// Waits until the streams of `wire` have ended in this way, and no other stream has.
async fn expect_ends<const N: usize>(
    server: &Server,
    wire: Wire,
    wanted: [(&'static str, u32); N],
) {
    let wanted = BTreeMap::from(wanted);
    let last = RefCell::default();
    let seen = async || {
        *last.borrow_mut() = ends(&server.metrics().await, wire);
        (last.borrow().as_ref() == Some(&wanted)).then_some(())
    };
    let waited = eventually("the streams end", seen);
    if tokio::time::timeout(Duration::from_secs(9), waited).await.is_err() {
        panic!(
            "{:?} (None: open is not opened − closed) instead of {wanted:?} on {}",
            last.borrow(),
            wire.name(),
        );
    }
}

async fn a_client_that_leaves_is_counted_as_left(wire: Wire) {
    let server = Server::start().await;
    for count in [1, 2] {
        let mut reader = Reader::open(&server, wire, "a").await;
        // A socket that is closed with unread bytes resets its connection.
        reader.control("hello").await;
        drop(reader);
        expect_ends(&server, wire, [("left", count)]).await;
    }
    let mut half = server.connect().await;
    half.send(format!("{}\r\n\r\n", stream_head(wire, "a"))).await;
    half.head().await;
    SockRef::from(&half.socket).shutdown(std::net::Shutdown::Write).expect("a socket");
    expect_ends(&server, wire, [("left", 3)]).await;
}

async fn a_connection_that_is_reset_is_counted_as_cut(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "a").await;
    reader.control("hello").await;
    reader.reset();
    // On a shared connection, the reset is that of one stream, which a client sends to leave.
    let reason = if Way::under_test() == Way::Http2 { "left" } else { "cut" };
    expect_ends(&server, wire, [(reason, 1)]).await;
}

async fn a_client_that_takes_nothing_is_counted_as_stalled(wire: Wire) {
    let server = Server::with("[stream]\nstall_timeout = \"500ms\"").await;
    let reader = reader_with_backlog(&server, wire, "a").await;
    expect_ends(&server, wire, [("stalled", 1)]).await;
    assert_eq!(server.metric("tricast_stalled_connections_total").await, 1.0);
    drop(reader);
}

async fn a_stream_that_the_gateway_closes_is_counted_with_its_goodbye(wire: Wire) {
    let server = Server::start().await;
    let client = "tab-0123456789abcdef";
    let mut first = Reader::open(&server, wire, &format!("a?client={client}")).await;
    first.control("hello").await;
    let cut = server.post(&format!("/dashboard/cut?client={client}"), "", b"").await;
    assert_eq!(cut.json()["cut"], 1);
    assert_eq!(first.control("goodbye").await["reason"], "requested");
    expect_ends(&server, wire, [("requested", 1)]).await;

    let mut second = Reader::open(&server, wire, "a").await;
    second.control("hello").await;
    let admin = Connection::open(server.gateway.admin_address).await;
    let delete = format!("DELETE /connections?wire={} HTTP/1.1\r\nHost: localhost", wire.name());
    assert_eq!(admin.request(&delete, b"").await.json()["removed"], 1);
    assert_eq!(second.control("goodbye").await["reason"], "removed");
    expect_ends(&server, wire, [("requested", 1), ("removed", 1)]).await;

    let mut third = Reader::open(&server, wire, "a").await;
    third.control("hello").await;
    server.publish("a?end=true", "over").await;
    third.data().await;
    assert_eq!(third.control("goodbye").await["reason"], "ended");
    drop((first, second, third));
    expect_ends(&server, wire, [("requested", 1), ("removed", 1), ("ended", 1)]).await;
}

async fn a_stream_whose_token_expires_is_counted_as_expired(wire: Wire) {
    let server = Server::with(&format!("[tokens]\nsecret = \"{SECRET}\"")).await;
    let token = token_of(json!({"subscribe": ["a"]}), 2);
    let reader = Reader::open(&server, wire, &format!("a?token={token}")).await;
    expect_ends(&server, wire, [("expired", 1)]).await;
    drop(reader);
}

async fn a_slow_consumer_that_is_disconnected_is_counted_as_gap(wire: Wire) {
    let settings = "[history]\nmessages = 5\n[stream]\nslow_reader = \"disconnect\"";
    let server = Server::with(settings).await;
    let mut slow = reader_with_backlog(&server, wire, "a").await;
    // On the generic delivery the connection is kept for a next request.
    let ended = |read: &[u8]| read.windows(9).rev().take(500).any(|bytes| bytes == b".goodbye\"");
    while !ended(&slow.buffer) {
        assert!(slow.more().await, "no goodbye");
    }
    expect_ends(&server, wire, [("gap", 1)]).await;
}

/// Connection draining; another stream, which does not read, keeps the gateway there to be asked.
async fn a_stream_that_a_shutdown_closes_is_counted_as_draining(wire: Wire) {
    let server = Server::with("[shutdown]\ngrace = \"20s\"").await;
    let other = if wire == Wire::Sse { Wire::Chunked } else { Wire::Sse };
    let stays = reader_with_backlog(&server, other, "a").await;
    let mut reader = Reader::open(&server, wire, "b").await;
    reader.control("hello").await;
    let admin = server.gateway.admin_address;
    let down = tokio::spawn(server.gateway.shutdown());
    assert_eq!(reader.control("goodbye").await["reason"], "draining");
    reader.end().await;
    drop(reader);
    let draining = BTreeMap::from([("draining", 1)]);
    eventually("it is counted", async || {
        let metrics = Connection::open(admin).await;
        let metrics = metrics.request("GET /metrics HTTP/1.1\r\nHost: localhost", b"").await;
        (ends(&Samples::read(&metrics.text()), wire).as_ref() == Some(&draining)).then_some(())
    })
    .await;
    drop(stays);
    assert!(down.await.expect("goes down"));
}

/// A raw stream that cannot report its gap, from its beginning.
async fn a_raw_stream_that_breaks_off_is_counted_as_gap() {
    let server = Server::in_memory("[history]\nmessages = 1").await;
    let id = server.publish("a", "1").await.replace("-1", "-0");
    server.publish("a", "2").await;
    for wire in [Wire::Chunked, Wire::Ws] {
        let target = format!("a?format=raw&last_event_id={id}");
        let mut connection = server.connect().await;
        connection.send(format!("{}\r\n\r\n", stream_head(wire, &target))).await;
        connection.head().await;
        connection.rest().await;
        expect_ends(&server, wire, [("gap", 1)]).await;
    }
}

/// A WebSocket that is sent these bytes.
async fn websocket_after(server: &Server, target: &str, frames: &[u8]) -> Connection {
    let mut connection = server.connect().await;
    connection.send(format!("{}\r\n\r\n", stream_head(Wire::Ws, target))).await;
    assert_eq!(connection.head().await.status, 101);
    connection.send(frames).await;
    connection
}

async fn a_websocket_is_counted_with_its_close_code() {
    let settings = "[limits]\nmessage_bytes = \"1KiB\"\n[ws]\nrate = 1\n[[namespace]]\n\
        pattern = \"closed\"\npublish = \"nobody\"";
    let server = Server::with(settings).await;
    let mut sent = BTreeMap::new();
    for (reason, target, frames) in [
        ("left", "a", b"\x88\x80\x00\x00\x00\x00".to_vec()),
        ("malformed", "a", b"\x81\x81\x00\x00\x00\x00\xff".to_vec()),
        ("protocol", "a", b"\x81\x01x".to_vec()),
        ("too-large", "a?format=raw", b"\x81\xfe\x0f\xa0\x00\x00\x00\x00".to_vec()),
        ("forbidden", "closed?format=raw", b"\x81\x81\x00\x00\x00\x00x".to_vec()),
        ("overloaded", "a?format=raw", b"\x81\x81\x00\x00\x00\x00x".repeat(100)),
    ] {
        let mut connection = websocket_after(&server, target, &frames).await;
        sent.insert(reason, 1);
        eventually(reason, async || {
            (ends(&server.metrics().await, Wire::Ws).as_ref() == Some(&sent)).then_some(())
        })
        .await;
        // Without an answer to its close frame, the gateway keeps the socket for a while.
        connection.try_send(b"\x88\x80\x00\x00\x00\x00").await;
    }
}

async fn a_websocket_that_answers_nothing_is_counted_as_unresponsive() {
    let server = Server::with("[stream]\nheartbeat = \"100ms\"").await;
    let mut silent = websocket_after(&server, "a", b"").await;
    silent.rest().await;
    expect_ends(&server, Wire::Ws, [("unresponsive", 1)]).await;
}

/// A subscription that was given up before its stream began is no stream.
async fn a_request_that_gets_no_stream_is_not_counted() {
    let server = Server::with("[limits]\nconnections = 1").await;
    let id = server.publish("ended?end=true", "x").await;
    let over = server.get(&format!("/sse/ended?last_event_id={id}")).await;
    assert_eq!(over.status, 204);
    for wire in [Wire::Sse, Wire::Chunked] {
        let alone = format!("/{}/a?require_online=true", wire.name());
        assert_eq!(server.post(&alone, "", b"x").await.problem(), "nobody-online");
    }
    let mut one = Reader::open(&server, Wire::Ws, "a").await;
    one.control("hello").await;
    assert_eq!(server.get("/sse/a").await.status, 200, "a goodbye");
    assert_eq!(server.get("/chunked/a").await.problem(), "too-many-connections");
    let metrics = server.metrics().await;
    assert_eq!(metrics.sum("tricast_connections_opened_total", &[]), 1.0);
    assert!(Wire::ALL.into_iter().all(|wire| ends(&metrics, wire) == Some(BTreeMap::new())));
}

/// An HTTP/2 connection in clear with a stream of each wire.
struct SharedConnection {
    /// A second handle of its socket.
    socket: socket2::Socket,
    driver: tokio::task::JoinHandle<()>,
    _streams: (SendRequest<Bytes>, Vec<h2::RecvStream>),
}

impl SharedConnection {
    async fn open(server: &Server) -> Self {
        let address = server.gateway.address().expect("one in clear");
        let stream = TcpStream::connect(address).await.expect("connects");
        let socket = SockRef::from(&stream).try_clone().expect("a socket");
        let (sender, driver) = h2::client::handshake(stream).await.expect("speaks HTTP/2");
        let driver = tokio::spawn(async move {
            // The test ends it.
            let _ = driver.await;
        });
        let mut sender = sender.ready().await.expect("is open");
        eventually("its settings", async || {
            sender.is_extended_connect_protocol_enabled().then_some(())
        })
        .await;
        let mut bodies = Vec::new();
        for wire in Wire::ALL {
            let mut request = Request::builder().uri(format!("http://t/{}/a", wire.name()));
            if wire == Wire::Ws {
                let protocol = Protocol::from_static("websocket");
                request = request.method(Method::CONNECT).extension(protocol);
                request = request.header("sec-websocket-version", "13");
            }
            let request = request.body(()).expect("a request");
            let (answer, _) = sender.send_request(request, wire != Wire::Ws).expect("is open");
            let mut body = answer.await.expect("an answer").into_body();
            body.data().await.expect("hello").expect("reads");
            bodies.push(body);
        }
        Self { socket, driver, _streams: (sender, bodies) }
    }

    async fn reset(self) {
        self.socket.set_linger(Some(Duration::ZERO)).expect("a socket");
        drop(self.socket);
        self.driver.abort();
        let _ = self.driver.await;
    }
}

async fn the_end_of_a_connection_ends_each_of_its_streams_in_the_same_way() {
    let server = Server::start().await;
    let shared = SharedConnection::open(&server).await;
    shared.socket.shutdown(std::net::Shutdown::Write).expect("a socket");
    for wire in Wire::ALL {
        expect_ends(&server, wire, [("left", 1)]).await;
    }
    SharedConnection::open(&server).await.reset().await;
    for wire in Wire::ALL {
        expect_ends(&server, wire, [("left", 1), ("cut", 1)]).await;
    }
}

tricast_tests::each_wire_and_transport!(
    a_client_that_leaves_is_counted_as_left,
    a_connection_that_is_reset_is_counted_as_cut,
    a_client_that_takes_nothing_is_counted_as_stalled,
    a_stream_that_the_gateway_closes_is_counted_with_its_goodbye,
    a_stream_whose_token_expires_is_counted_as_expired,
);

tricast_tests::each_wire!(
    a_slow_consumer_that_is_disconnected_is_counted_as_gap,
    a_stream_that_a_shutdown_closes_is_counted_as_draining,
);

tricast_tests::each_delivery_and_transport!(
    a_raw_stream_that_breaks_off_is_counted_as_gap,
    a_websocket_is_counted_with_its_close_code,
    a_websocket_that_answers_nothing_is_counted_as_unresponsive,
);

tricast_tests::each_delivery!(
    a_request_that_gets_no_stream_is_not_counted,
    the_end_of_a_connection_ends_each_of_its_streams_in_the_same_way,
);
