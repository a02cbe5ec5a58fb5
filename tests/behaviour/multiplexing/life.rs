//! The life of a connection: heads, tunnels, silence, and the end.

use super::*;

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

tricast_tests::each_delivery!(
    heads_are_those_of_http_2,
    only_a_websocket_opens_by_connect,
    an_idle_connection_is_closed_and_one_with_a_stream_is_not,
    a_websocket_that_closes_is_answered_and_ends_cleanly,
    a_draining_gateway_takes_no_further_request_on_a_connection,
    a_silent_client_delays_no_shutdown
);
