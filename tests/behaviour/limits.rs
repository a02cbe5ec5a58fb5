//! Limits, and clients that misbehave: nothing grows, nothing leaks, no other client is affected.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use socket2::SockRef;
use tricast_tests::{
    Connection, Event, Reader, Server, Wire, eventually, reader_with_backlog, stalled_reader,
    stream_head,
};

const QUICK: &str = "[stream]\nheartbeat = \"100ms\"\nstall_timeout = \"500ms\"\n[limits]\n\
    head_timeout = \"300ms\"\nbody_timeout = \"300ms\"";

async fn one_subscriber_too_many_is_refused_until_later(wire: Wire) {
    let server = Server::with("[limits]\nconnections = 1").await;
    let first = Reader::open(&server, wire, "a").await;
    if wire == Wire::Sse {
        // An EventSource gives up on anything but 200.
        let mut refused = Reader::open(&server, wire, "a").await;
        let goodbye = refused.control("goodbye").await;
        assert_eq!(
            (goodbye["reason"].as_str(), goodbye["reconnect"].as_str()),
            (Some("overloaded"), Some("later"))
        );
        assert_eq!(refused.retry, goodbye["retry"].as_u64());
        assert_eq!(refused.end().await, Event::End(None));
    } else {
        let answer = server.request(&stream_head(wire, "a"), b"").await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "too-many-connections"));
        assert!(answer.fields.contains_key("retry-after"));
    }
    assert_eq!(server.metric("tricast_refusals_total{reason=\"too-many-connections\"}").await, 1.0);
    drop(first);
    eventually("the place is free", async || (server.gateway.connections() == 0).then_some(()))
        .await;
    Reader::open(&server, wire, "a").await.control("hello").await;
}

async fn one_channel_too_many_is_refused(wire: Wire) {
    let server = Server::with("[limits]\nchannels = 1").await;
    let _first = Reader::open(&server, Wire::Chunked, "a").await;
    if wire == Wire::Sse {
        let mut refused = Reader::open(&server, wire, "b").await;
        assert_eq!(refused.control("goodbye").await["reason"], "overloaded");
    } else if wire == Wire::Chunked {
        let answer = server.get("/chunked/b").await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "too-many-channels"));
    } else {
        assert!(Reader::handshake(&server, "/ws/b").await.is_err());
    }
    let answer = server.post("/publish/b", "", b"x").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "too-many-channels"));
    assert_eq!(server.gateway.connections(), 1, "the refused have left");
}

/// A reader that takes nothing is closed; no client waits for it and nothing is kept for it.
async fn a_stalled_reader_is_cut_and_others_are_undisturbed(wire: Wire) {
    let server = Server::with(&format!("{QUICK}\n[history]\nmessages = 20")).await;
    let stalled = stalled_reader(&server, wire, "a").await;
    let mut healthy = Reader::open(&server, wire, "a").await;
    healthy.control("hello").await;
    let large = "x".repeat(100_000);
    let mut sent = 0;
    while server.gateway.connections() > 1 {
        server.publish("a", &large).await;
        assert_eq!(healthy.data().await.as_str().map(str::len), Some(100_000));
        sent += 1;
        assert!(sent < 5000, "the stalled reader is still there");
    }
    assert_eq!(server.metric("tricast_stalled_connections_total").await, 1.0);
    assert!(server.metric("tricast_log_bytes").await < 20.0 * 100_000.0 * 3.0);
    drop(stalled);
}

/// A slow consumer that still reads gets a gap for the messages it missed.
async fn a_slow_consumer_gets_a_gap(wire: Wire) {
    let server = Server::in_memory("[history]\nmessages = 5").await;
    let mut slow = reader_with_backlog(&server, wire, "a").await;
    let text = read_raw_until(&mut slow, "tricast.gap").await;
    assert!(text.contains("\"certain\":true"));
    assert!(
        server
            .metric(&format!(
                "tricast_slow_readers_total{{wire=\"{}\",action=\"told\"}}",
                wire.name()
            ))
            .await
            >= 1.0
    );
}

async fn a_slow_consumer_is_disconnected_if_the_settings_say_so(wire: Wire) {
    let server =
        Server::with("[history]\nmessages = 5\n[stream]\nslow_reader = \"disconnect\"").await;
    let mut slow = reader_with_backlog(&server, wire, "a").await;
    let text = read_raw_until(&mut slow, "tricast.goodbye").await;
    assert!(
        text.contains("\"reason\":\"gap\",\"reconnect\":\"now\"") && !text.contains("tricast.gap")
    );
    eventually("it has left", async || (server.gateway.connections() == 0).then_some(())).await;
}

/// It reads nothing, but the gateway notices the end of its connection long before the stall
/// timeout.
async fn a_slow_consumer_that_hangs_up_is_noticed(wire: Wire) {
    let server = Server::start().await;
    let reader = reader_with_backlog(&server, wire, "a").await;
    SockRef::from(&reader.socket).shutdown(std::net::Shutdown::Write).expect("a socket");
    eventually("it has left", async || (server.gateway.connections() == 0).then_some(())).await;
    drop(reader);
}

/// Bytes after the request keep the HTTP library from seeing the end; the heartbeat does.
async fn a_client_that_sends_more_and_leaves_does_not_leak(wire: Wire) {
    let server = Server::with(QUICK).await;
    for format in ["json", "raw"] {
        let mut connection = server.connect().await;
        let target = format!("/{}/a?format={format}", wire.name());
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\nGET /more")).await;
        connection.head().await;
    }
    eventually("it has left", async || (server.gateway.connections() == 0).then_some(())).await;
}

/// Bytes that a client sends after its request are discarded while it streams. What follows them is
/// no request then, so the connection ends instead of waiting for more.
async fn a_connection_whose_input_was_thrown_away_ends_with_its_stream() {
    let server = Server::with(QUICK).await;
    let mut connection = server.connect().await;
    connection.send("GET /chunked/a HTTP/1.1\r\nHost: t\r\n\r\nGET /hist").await;
    connection.head().await;
    while connection.chunk().await.expect("a stream") != b"\n" {}
    connection.send("ory/a HTTP/1.1\r\nHost: t\r\n\r\n").await;
    while connection.chunk().await.expect("a stream") != b"\n" {}
    server.publish("a?end=true", "x").await;
    while connection.chunk().await.is_some() {}
    while connection.more().await {}
}

/// A slow reader is still given what was acknowledged before the gateway goes down.
async fn a_slow_consumer_gets_its_backlog_before_the_goodbye() {
    // This is about the order, not about how fast a busy machine reads 20 MB.
    let history = "[history]\nmemory = \"128MiB\"\nbytes = \"64MiB\"";
    let server = Server::with(&format!("{history}\n[shutdown]\ngrace = \"5m\"")).await;
    let mut slow = stalled_reader(&server, Wire::Chunked, "a").await;
    let large = "x".repeat(200_000);
    for _ in 0..100 {
        server.publish("a", &large).await;
    }
    let down = tokio::spawn(server.gateway.shutdown());
    let mut body = Vec::new();
    while let Some(chunk) = slow.chunk().await {
        body.extend(chunk);
    }
    let text = String::from_utf8(body).expect("UTF-8");
    assert_eq!(text.lines().filter(|line| line.contains(&large)).count(), 100);
    assert!(text.lines().last().is_some_and(|line| line.contains("tricast.goodbye")));
    assert!(down.await.expect("goes down"));
}

async fn sockets_are_counted_on_every_wire() {
    let server = Server::start().await;
    let mut readers = Vec::new();
    for wire in Wire::ALL {
        let mut reader = Reader::open(&server, wire, "a").await;
        reader.control("hello").await;
        readers.push(reader);
    }
    assert_eq!(server.metric("tricast_sockets").await, 4.0, "three, and the one that asks");
    drop(readers);
    eventually("they are gone", async || {
        (server.metric("tricast_sockets").await == 1.0).then_some(())
    })
    .await;
}

async fn history_comes_in_portions() {
    let server = Server::start().await;
    let large = "x".repeat(600_000);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.publish("a", &large).await);
    }
    let mut after = "since=earliest".to_owned();
    for (index, id) in ids.iter().enumerate() {
        let history = server.get(&format!("/history/a?{after}")).await.json();
        assert_eq!(history["messages"].as_array().map(Vec::len), Some(1));
        assert_eq!((&history["id"], &history["more"]), (&json!(id), &json!(index < 2)));
        after = format!("last_event_id={id}");
    }
}

/// Reads until the bytes contain `word` and the time of its document; returns those, and discards
/// earlier bytes.
async fn read_raw_until(connection: &mut Connection, word: &str) -> String {
    let find = |bytes: &[u8], word: &str| {
        bytes.windows(word.len()).position(|window| window == word.as_bytes())
    };
    loop {
        let found = find(&connection.buffer, word);
        // Only the end of a large message can contain the beginning of the word.
        let used = found.unwrap_or(connection.buffer.len().saturating_sub(word.len()));
        connection.buffer.drain(..used);
        if found.is_some() && find(&connection.buffer, "\"time\":").is_some() {
            return String::from_utf8_lossy(&connection.buffer).into_owned();
        }
        assert!(connection.more().await, "ended without {word}");
    }
}

async fn clients_that_never_finish_their_head_are_closed() {
    let server = Server::with(QUICK).await;
    let mut open = Vec::new();
    for bytes in ["", "GET /sse/a HTT", "GET /sse/a HTTP/1.1\r\nHost: t\r\n"] {
        for _ in 0..20 {
            let mut connection = server.connect().await;
            connection.send(bytes).await;
            open.push(connection);
        }
    }
    for mut connection in open {
        while connection.more().await {}
    }
    // The one that asks is there itself; a socket is counted until a moment after its end.
    eventually("only the one that asks is left", async || {
        (server.metric("tricast_sockets").await == 1.0).then_some(())
    })
    .await;
    assert_eq!(server.gateway.connections(), 0);
}

async fn a_head_that_is_too_large_is_refused() {
    let server = Server::with("[limits]\nhead_bytes = \"8KiB\"").await;
    let mut connection = server.connect().await;
    connection
        .send(format!("GET /sse/a HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "x".repeat(9000)))
        .await;
    assert_eq!(connection.head().await.status, 431);
}

async fn a_body_that_never_arrives_is_a_timeout() {
    let server = Server::with(QUICK).await;
    let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 100";
    let answer = server.request(head, b"half").await;
    assert_eq!((answer.status, answer.problem().as_str()), (408, "body-timeout"));
}

async fn a_large_message_crosses_every_wire_whole() {
    let server = Server::start().await;
    let mut readers = Vec::new();
    for wire in Wire::ALL {
        let mut reader = Reader::open(&server, wire, "a").await;
        reader.control("hello").await;
        readers.push(reader);
    }
    let large = "ö".repeat(500_000);
    server.publish("a", &large).await;
    for reader in &mut readers {
        assert!(reader.data().await == large.as_str());
    }
}

async fn a_websocket_whose_peer_vanishes_between_handshake_and_upgrade_leaves_nothing() {
    let server = Server::start().await;
    for _ in 0..50 {
        let (socket, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
        SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO)).expect("a socket");
        drop(socket);
    }
    eventually("all have left", async || (server.gateway.connections() == 0).then_some(())).await;
    let (mut socket, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
    assert!(socket.next().await.expect("hello").is_ok());
}

tricast_tests::each_wire!(
    one_subscriber_too_many_is_refused_until_later,
    one_channel_too_many_is_refused,
    a_stalled_reader_is_cut_and_others_are_undisturbed,
    a_slow_consumer_gets_a_gap,
    a_slow_consumer_is_disconnected_if_the_settings_say_so
);

tricast_tests::each_http_wire!(
    a_slow_consumer_that_hangs_up_is_noticed,
    a_client_that_sends_more_and_leaves_does_not_leak
);

tricast_tests::each_delivery!(
    a_connection_whose_input_was_thrown_away_ends_with_its_stream,
    a_slow_consumer_gets_its_backlog_before_the_goodbye,
    sockets_are_counted_on_every_wire,
    history_comes_in_portions,
    clients_that_never_finish_their_head_are_closed,
    a_head_that_is_too_large_is_refused,
    a_body_that_never_arrives_is_a_timeout,
    a_large_message_crosses_every_wire_whole,
    a_websocket_whose_peer_vanishes_between_handshake_and_upgrade_leaves_nothing
);
