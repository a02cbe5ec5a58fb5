//! HTTP/2 itself (RFC 9113): in clear with prior knowledge, hundreds of streams on a connection,
//! windows that run out.

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest, ext::Protocol};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tricast_tests::{Server, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

/// A connection in clear; a stream and all of them may have so much under way.
async fn connect(server: &Server, stream: u32, connection: u32) -> SendRequest<Bytes> {
    connect_over(server, stream, connection, std::future::pending()).await
}

/// The same, over a network that is away for two seconds once `leaves` is over.
async fn connect_over(
    server: &Server,
    stream: u32,
    connection: u32,
    leaves: impl Future<Output = ()> + Send + 'static,
) -> SendRequest<Bytes> {
    let socket =
        TcpStream::connect(server.gateway.address().expect("one")).await.expect("connects");
    socket.set_nodelay(true).expect("a socket");
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(stream).initial_connection_window_size(connection);
    let (sender, driver) = builder.handshake(socket).await.expect("speaks HTTP/2");
    tokio::spawn(async move {
        let mut driver = std::pin::pin!(driver);
        // The connection ends with the gateway.
        tokio::select! {
            _ = &mut driver => return,
            () = leaves => {}
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _ = driver.await;
    });
    sender.ready().await.expect("is open")
}

async fn ask(
    sender: &SendRequest<Bytes>,
    method: Method,
    path: &str,
    body: &str,
) -> Response<RecvStream> {
    ask_within(PATIENCE, sender, method, path, body).await
}

async fn ask_within(
    limit: Duration,
    sender: &SendRequest<Bytes>,
    method: Method,
    path: &str,
    body: &str,
) -> Response<RecvStream> {
    let request = Request::builder().method(method).uri(format!("http://t{path}"));
    let mut sender = sender.clone().ready().await.expect("is open");
    let request = request.body(()).expect("a request");
    let (answer, mut send) = sender.send_request(request, body.is_empty()).expect("sends");
    if !body.is_empty() {
        send.send_data(Bytes::copy_from_slice(body.as_bytes()), true).expect("sends");
    }
    timeout(limit, answer).await.expect("in time").expect("answers")
}

/// Lines of a chunked stream.
struct Lines {
    body: RecvStream,
    bytes: Vec<u8>,
}

impl Lines {
    async fn open(sender: &SendRequest<Bytes>, channel: &str) -> Self {
        let answer = ask(sender, Method::GET, &format!("/chunked/{channel}"), "").await;
        assert_eq!(answer.status(), 200);
        let mut lines = Self { body: answer.into_body(), bytes: Vec::new() };
        assert_eq!(lines.next().await["event"], "tricast.hello");
        lines
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                if line.len() > 1 {
                    return serde_json::from_slice(&line).expect("a document");
                }
                continue;
            }
            let data = timeout(PATIENCE, self.body.data()).await.expect("in time");
            let data = data.expect("goes on").expect("is not reset");
            self.body.flow_control().release_capacity(data.len()).expect("is open");
            self.bytes.extend_from_slice(&data);
        }
    }
}

async fn one_connection_carries_hundreds_of_streams() {
    let server = Server::start().await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    let mut all = Vec::new();
    for _ in 0..500 {
        all.push(Lines::open(&sender, "a").await);
    }
    assert_eq!(server.gateway.connections(), 500);
    assert_eq!(server.metric("tricast_sockets").await, 2.0, "one, and who asks for metrics");
    let answer = ask(&sender, Method::POST, "/publish/a", "hello").await;
    assert_eq!(answer.status(), 200);
    for lines in &mut all {
        assert_eq!(lines.next().await["data"], "hello");
    }
    drop(all);
    eventually("nobody listens", async || (server.gateway.connections() == 0).then_some(())).await;
}

/// A client with room for more than one stream may have, as browsers are.
async fn an_unread_stream_does_not_slow_its_siblings() {
    let server = Server::start().await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    let unread = ask(&sender, Method::GET, "/chunked/a", "").await;
    let mut read = Lines::open(&sender, "a").await;
    let large = "x".repeat(50_000);
    for _ in 0..40 {
        server.publish("a", &large).await;
        assert_eq!(read.next().await["data"], large);
    }
    drop(unread);
}

/// A client whose connection window is no larger than a stream window, which is the default of RFC
/// 9113.
async fn an_unread_stream_leaves_window_for_its_siblings() {
    let server = Server::with("[stream]\nstall_timeout = \"2s\"").await;
    let sender = connect(&server, 65_535, 65_535).await;
    let mut unread = ask(&sender, Method::GET, "/chunked/a", "").await.into_body();
    let mut sibling = Lines::open(&sender, "a,b").await;
    let large = "x".repeat(50_000);
    for _ in 0..40 {
        server.publish("a", &large).await;
        assert_eq!(sibling.next().await["data"], large);
    }
    let seen = async || server.metric("tricast_stalled_connections_total").await;
    eventually("it is reset", async || (seen().await > 0.0).then_some(())).await;
    let end = loop {
        match timeout(PATIENCE, unread.data()).await.expect("in time").expect("is reset") {
            Ok(data) => unread.flow_control().release_capacity(data.len()).expect("is open"),
            Err(error) => break error.reason(),
        }
    };
    assert_eq!(end, Some(h2::Reason::CANCEL));
    server.publish("b", "small").await;
    assert_eq!(sibling.next().await["data"], "small");
    eventually("one listens", async || (server.gateway.connections() == 1).then_some(())).await;
}

/// No stream is read for a while, and then all of them are: none is at fault.
async fn an_interrupted_network_costs_no_stream() {
    let server = Server::start().await;
    let leaves = std::sync::Arc::new(tokio::sync::Notify::new());
    let left = leaves.clone();
    let sender = connect_over(&server, 65_535, 65_535, async move { left.notified().await }).await;
    let mut both = [Lines::open(&sender, "a").await, Lines::open(&sender, "a").await];
    leaves.notify_one();
    let large = "x".repeat(15_000);
    for _ in 0..6 {
        server.publish("a", &large).await;
    }
    for _ in 0..6 {
        for lines in &mut both {
            assert_eq!(lines.next().await["data"], large);
        }
    }
    assert_eq!(server.metric("tricast_stalled_connections_total").await, 0.0);
}

/// Each line in a frame of its own, and so slowly taken that a window full of them waits.
async fn lines_under_backpressure_do_not_cost_their_siblings_the_connection() {
    let server = Server::with("[[namespace]]\npattern = \"a\"\nmessages_per_second = 10").await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    let mut sibling = Lines::open(&sender, "b").await;
    let mut other = sender.clone().ready().await.expect("is open");
    let request =
        Request::post("http://t/publish/a").header("content-type", "application/x-ndjson");
    let (answer, mut send) =
        other.send_request(request.body(()).expect("one"), false).expect("sends");
    let line = Bytes::from_static(b"1234567890123\n");
    for _ in 0..4000 {
        send.send_data(line.clone(), false).expect("sends");
    }
    eventually("some are published", async || {
        let held = server.get("/history/a").await.json();
        (held["messages"].as_array().map_or(0, Vec::len) > 15).then_some(())
    })
    .await;
    server.publish("b", "still here").await;
    assert_eq!(sibling.next().await["data"], "still here");
    drop((answer, send));
}

async fn a_client_that_asks_for_many_pages_at_once_gets_them_all() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    let sender = connect(&server, 65_535, 65_535).await;
    let page = async || {
        // The last page is begun when the client has read almost all others.
        let answer = ask_within(10 * PATIENCE, &sender, Method::GET, "/history/a", "").await;
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(data) = timeout(10 * PATIENCE, body.data()).await.expect("in time") {
            let data = data.expect("is not reset");
            body.flow_control().release_capacity(data.len()).expect("is open");
            bytes.extend_from_slice(&data);
        }
        let page: Value = serde_json::from_slice(&bytes).expect("JSON");
        page["messages"].as_array().map(Vec::len)
    };
    let pages = futures_util::future::join_all((0..30).map(|_| page())).await;
    assert_eq!(pages, vec![Some(20); 30]);
}

async fn no_further_pages_are_built_for_a_client_that_does_not_read() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    let sender = connect(&server, 1, 1 << 20).await;
    let answer = async || {
        let request = Request::get("http://t/history/a").body(()).expect("a request");
        let mut sender = sender.clone().ready().await.expect("is open");
        let (answer, _) = sender.send_request(request, true).expect("sends");
        timeout(3 * PATIENCE, answer).await.expect("in time").expect("answers")
    };
    let answers = futures_util::future::join_all((0..30).map(|_| answer())).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status() == 200);
    assert!((1..=3).contains(&made.len()), "{} pages are held", made.len());
    for answer in refused {
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }
    // Once they are closed there is room, and another client has room anyway.
    assert_eq!(server.get("/history/a").await.status, 200);
    drop(made);
    assert_eq!(ask(&sender, Method::GET, "/history/a", "").await.status(), 200);
}

/// Pages that wait for room keep nothing else of their connection from being answered.
async fn small_answers_overtake_unread_pages() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    let sender = connect(&server, 1, 1 << 20).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        unread.push(ask(&sender, Method::GET, "/history/a", "").await);
    }
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let request = Request::get("http://t/history/a").body(()).expect("a request");
        let mut sender = sender.clone().ready().await.expect("is open");
        waiting.push(sender.send_request(request, true).expect("sends").0);
    }
    for path in ["/channels", "/history/none", "/online/a"] {
        assert_eq!(ask(&sender, Method::GET, path, "").await.status(), 200, "{path}");
    }
    for answer in &mut waiting {
        assert!(futures_util::poll!(answer).is_pending(), "nothing has waited for these");
    }
    drop(unread);
    for answer in waiting {
        let answer = timeout(PATIENCE, answer).await.expect("in time").expect("answers");
        assert_eq!(answer.status(), 200, "there is room again");
    }
}

async fn a_slow_consumer_gets_a_gap_and_its_siblings_none() {
    let server = Server::with("[history]\nmessages = 5").await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    let mut slow = Lines::open(&sender, "a").await;
    let mut read = Lines::open(&sender, "a").await;
    let large = "x".repeat(20_000);
    for _ in 0..40 {
        server.publish("a", &large).await;
        assert_eq!(read.next().await["data"], large);
    }
    let mut seen = 0;
    let gap = loop {
        let document = slow.next().await;
        if document["event"] == "tricast.gap" {
            break document;
        }
        seen += 1;
        assert!(seen < 20, "40 messages of 20 kB cannot have fitted");
    };
    let missed = gap["last"].as_u64().expect("a number") - gap["first"].as_u64().expect("one") + 1;
    let rest = 40 - seen - missed;
    for _ in 0..rest {
        assert_eq!(slow.next().await["data"], large);
    }
}

async fn lines_are_published_while_the_client_still_sends() {
    let server = Server::start().await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    let mut lines = Lines::open(&sender, "a").await;
    let mut other = sender.clone().ready().await.expect("is open");
    let request =
        Request::post("http://t/publish/a").header("content-type", "application/x-ndjson");
    let (answer, mut send) =
        other.send_request(request.body(()).expect("one"), false).expect("sends");
    for number in 0..3 {
        send.send_data(format!("{number}\n").into(), false).expect("sends");
        assert_eq!(lines.next().await["data"], number);
    }
    send.send_data(Bytes::new(), true).expect("sends");
    let mut body = timeout(PATIENCE, answer).await.expect("in time").expect("answers").into_body();
    let body = timeout(PATIENCE, body.data()).await.expect("in time").expect("one").expect("one");
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON")["published"], 3);
}

async fn heads_are_those_of_http_2() {
    let server = Server::start().await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    let answer = ask(&sender, Method::GET, "/sse/a", "").await;
    for name in ["connection", "transfer-encoding", "keep-alive", "upgrade"] {
        assert!(!answer.headers().contains_key(name), "RFC 9113 section 8.2.2: {name}");
    }
    assert!(answer.headers().contains_key("date"));
    assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
    let head = ask(&sender, Method::HEAD, "/sse/a", "").await;
    assert_eq!((head.status().as_u16(), head.body().is_end_stream()), (200, true));
    let missing = ask(&sender, Method::GET, "/nowhere", "").await;
    assert_eq!(missing.status(), 404);
}

async fn only_a_websocket_opens_by_connect() {
    let server = Server::start().await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    eventually("its settings", async || {
        sender.is_extended_connect_protocol_enabled().then_some(())
    })
    .await;
    let connect = async |protocol: &'static str, path: &str, fields: &[(&str, &str)]| {
        let mut request = Request::builder().method(Method::CONNECT).uri(format!("http://t{path}"));
        request = request.extension(Protocol::from_static(protocol));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut sender = sender.clone().ready().await.expect("is open");
        let (answer, send) =
            sender.send_request(request.body(()).expect("one"), false).expect("sends");
        let answer = timeout(PATIENCE, answer).await.expect("in time").expect("answers");
        (answer, send)
    };
    let version = ("sec-websocket-version", "13");
    for (protocol, path, fields, status) in [
        ("websocket", "/ws/a", &[version][..], 200),
        ("websocket", "/stream/a", &[version], 200),
        ("websocket", "/ws/a", &[], 426),
        ("connect-udp", "/ws/a", &[version], 426),
        ("websocket", "/sse/a", &[version], 405),
        ("websocket", "/ws/a", &[version, ("origin", "https://evil.example")], 403),
        ("websocket", "/ws/a", &[version, ("origin", "http://t")], 200),
    ] {
        let (answer, _send) = connect(protocol, path, fields).await;
        assert_eq!(answer.status(), status, "{protocol} {path} {fields:?}");
    }
}

async fn an_idle_connection_is_closed_and_one_with_a_stream_is_not() {
    let server = Server::with("[limits]\nhead_timeout = \"300ms\"").await;
    let quiet = connect(&server, 65_535, 1 << 20).await;
    let busy = connect(&server, 65_535, 1 << 20).await;
    let mut lines = Lines::open(&busy, "a").await;
    eventually("it is closed", async || quiet.clone().ready().await.err().map(drop)).await;
    server.publish("a", json!("here").as_str().expect("text")).await;
    assert_eq!(lines.next().await["data"], "here");
}

async fn a_websocket_that_closes_is_answered_and_ends_cleanly() {
    let server = Server::start().await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    eventually("its settings", async || {
        sender.is_extended_connect_protocol_enabled().then_some(())
    })
    .await;
    for _ in 0..20 {
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri("http://t/ws/a?format=raw")
            .header("sec-websocket-version", "13")
            .extension(Protocol::from_static("websocket"));
        let mut sender = sender.clone().ready().await.expect("is open");
        let request = request.body(()).expect("one");
        let (answer, mut send) = sender.send_request(request, false).expect("sends");
        let mut body =
            timeout(PATIENCE, answer).await.expect("in time").expect("answers").into_body();
        // Close, with code 1000, masked with zeros (RFC 6455 section 5.5.1).
        let close = Bytes::from_static(b"\x88\x82\0\0\0\0\x03\xe8");
        send.send_data(close, false).expect("sends");
        let mut said = Vec::new();
        while let Some(data) = timeout(PATIENCE, body.data()).await.expect("in time") {
            said.extend_from_slice(&data.expect("is not reset"));
        }
        assert_eq!(said, b"\x88\x02\x03\xe8");
    }
}

/// A client that reconnects on the same connection would come back to a draining gateway.
async fn a_draining_gateway_takes_no_further_request_on_a_connection() {
    let server = Server::with("[shutdown]\ngrace = \"60s\"").await;
    let sender = connect(&server, 65_535, 1 << 20).await;
    let mut all = Vec::new();
    for _ in 0..50 {
        all.push(Lines::open(&sender, "a").await);
    }
    // More than fits into the window of a stream: until it is read, it gets no goodbye.
    let mut unread = Lines::open(&sender, "b").await;
    let large = "x".repeat(200_000);
    server.publish("b", &large).await;
    let down = tokio::spawn(server.gateway.shutdown());
    eventually("takes no further request", async || {
        sender.clone().ready().await.is_err().then_some(())
    })
    .await;
    assert_eq!(unread.next().await["data"], large);
    for mut lines in all.into_iter().chain([unread]) {
        assert_eq!(lines.next().await["event"], "tricast.goodbye");
        while let Some(data) = timeout(PATIENCE, lines.body.data()).await.expect("in time") {
            assert!(data.expect("a clean end").is_empty());
        }
    }
    assert!(down.await.expect("no panic"), "nothing was left");
}

async fn a_silent_client_delays_no_shutdown() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::with("[limits]\nhead_timeout = \"300ms\"").await;
    let mut socket =
        TcpStream::connect(server.gateway.address().expect("one")).await.expect("connects");
    // The preface and empty settings; no ping is ever answered.
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sends");
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it is closed");
    let silent = connect(&server, 65_535, 1 << 20).await;
    assert!(timeout(PATIENCE, server.gateway.shutdown()).await.expect("in time"));
    drop(silent);
}

/// Bytes in the queue of a stream that is reset are never sent, and must not be counted.
async fn reset_streams_return_their_window_on_a_full_connection() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    // Two pages are more than the window, and all that the gateway builds before one is read.
    let sender = connect(&server, 1 << 20, 1 << 20).await;
    for _ in 0..30 {
        let mut unread = Vec::new();
        for _ in 0..2 {
            unread.push(ask(&sender, Method::GET, "/history/a", "").await);
        }
        drop(unread);
    }
    let mut lines = Lines::open(&sender, "a").await;
    server.publish("a", "alive").await;
    assert_eq!(lines.next().await["data"], "alive");
}

tricast_tests::each_delivery!(
    one_connection_carries_hundreds_of_streams,
    an_unread_stream_does_not_slow_its_siblings,
    an_unread_stream_leaves_window_for_its_siblings,
    an_interrupted_network_costs_no_stream,
    lines_under_backpressure_do_not_cost_their_siblings_the_connection,
    a_client_that_asks_for_many_pages_at_once_gets_them_all,
    no_further_pages_are_built_for_a_client_that_does_not_read,
    small_answers_overtake_unread_pages,
    a_slow_consumer_gets_a_gap_and_its_siblings_none,
    lines_are_published_while_the_client_still_sends,
    heads_are_those_of_http_2,
    only_a_websocket_opens_by_connect,
    an_idle_connection_is_closed_and_one_with_a_stream_is_not,
    a_websocket_that_closes_is_answered_and_ends_cleanly,
    a_draining_gateway_takes_no_further_request_on_a_connection,
    a_silent_client_delays_no_shutdown,
    reset_streams_return_their_window_on_a_full_connection
);
