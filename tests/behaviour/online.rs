//! Online counts, which cannot drift.

use std::time::Duration;

use serde_json::json;
use tricast_tests::{Reader, Server, Wire, eventually, stream_head};

async fn connections_and_users_are_counted_per_wire(wire: Wire) {
    let server = Server::start().await;
    let mut tabs = Vec::new();
    for target in ["room?user=alice", "room?user=alice", "room", "else"] {
        let mut tab = Reader::open(&server, wire, target).await;
        tab.control("hello").await;
        tabs.push(tab);
    }
    let mut elsewhere = Reader::open(&server, Wire::Sse, "room?user=alice").await;
    elsewhere.control("hello").await;
    let online = server.online("room").await;
    assert_eq!((&online["users"], &online["connections"]), (&json!(2), &json!(4)));
    let expected = if wire == Wire::Sse { (2, 4) } else { (2, 3) };
    let on_wire = &online["wires"][wire.name()];
    assert_eq!(
        (&on_wire["users"], &on_wire["connections"]),
        (&json!(expected.0), &json!(expected.1))
    );
    server.publish("room", "x").await;
    assert_eq!(tabs[0].document().await["online"], 2, "stamped on the message");
    drop(tabs);
    eventually("all have left", async || {
        let online = server.online("room").await;
        (online["connections"] == 1 && online["users"] == 1).then_some(())
    })
    .await;
}

async fn changes_are_sent_on_request_and_coalesced(wire: Wire) {
    let server = Server::with("[stream]\nonline_interval = \"300ms\"").await;
    let mut watcher = Reader::open(&server, wire, "room?online=true").await;
    watcher.control("hello").await;
    assert_eq!(watcher.control("online").await["users"], 1);
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(Reader::open(&server, Wire::Chunked, "room").await);
    }
    let mut told = 0;
    loop {
        told += 1;
        let change = watcher.control("online").await;
        assert_eq!(change["channel"], "room");
        if change["users"] == 21 {
            break;
        }
    }
    assert!(told < 20, "{told} frames for 20 joins");
    drop(crowd);
    while watcher.control("online").await["connections"] != 1 {}
    let mut silent = Reader::open(&server, wire, "room").await;
    silent.control("hello").await;
    assert!(silent.is_silent_for(Duration::from_millis(400)).await, "only on request");
}

async fn resets_in_the_thousands_leave_the_count_exact(wire: Wire) {
    let server = Server::start().await;
    let mut stays = Reader::open(&server, wire, "room?user=stays").await;
    stays.control("hello").await;
    for _ in 0..20 {
        let mut batch = Vec::new();
        for _ in 0..100 {
            batch.push(Reader::open(&server, wire, "room?user=goes").await);
        }
        server.publish("room", "under way").await;
        batch.into_iter().for_each(Reader::reset);
    }
    eventually("2,000 resets are noticed", async || {
        let online = server.online("room").await;
        (online["connections"] == 1 && online["users"] == 1).then_some(())
    })
    .await;
    let wire = format!("wire=\"{}\"", wire.name());
    let metrics = server.metrics().await;
    assert_eq!(metrics.sum("tricast_connections_closed_total", &[&wire]), 2000.0);
    assert_eq!(stays.all_data(20).await.len(), 20);
}

/// A client that says goodbye properly leaves as one that breaks off.
async fn a_half_closed_connection_has_left(wire: Wire) {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection.send(format!("{}\r\n\r\n", stream_head(wire, "room"))).await;
    connection.head().await;
    assert_eq!(server.gateway.connections(), 1);
    tokio::io::AsyncWriteExt::shutdown(&mut connection.socket).await.expect("half-closes");
    eventually("it has left", async || (server.gateway.connections() == 0).then_some(())).await;
}

async fn an_unknown_channel_is_empty_and_not_an_error() {
    let server = Server::start().await;
    let online = server.online("nowhere").await;
    assert_eq!((&online["users"], &online["wires"]["ws"]["connections"]), (&json!(0), &json!(0)));
    assert_eq!(server.get("/channels").await.json(), json!({"channels": [], "more": false}));
}

async fn channels_are_listed_by_name_without_the_users_own() {
    let server = Server::start().await;
    for channel in ["b", "a.2", "a.1", "@alice", "c"] {
        server.publish(channel, "x").await;
    }
    let _reader = Reader::open(&server, Wire::Sse, "b").await;
    let names = |answer: serde_json::Value| -> Vec<String> {
        let channels = answer["channels"].as_array().expect("a list").clone();
        channels.iter().map(|one| one["channel"].as_str().expect("a name").to_owned()).collect()
    };
    let all = server.get("/channels").await.json();
    assert_eq!(
        all["channels"][2],
        json!({"channel": "b", "users": 1, "connections": 1, "messages": 1})
    );
    assert_eq!(names(all), ["a.1", "a.2", "b", "c"]);
    let page = server.get("/channels?limit=2&after=a.1").await.json();
    assert_eq!(page["more"], true);
    assert_eq!(names(page), ["a.2", "b"]);
    assert_eq!(names(server.get("/channels?prefix=a.").await.json()), ["a.1", "a.2"]);
}

async fn a_head_request_never_attaches() {
    let server = Server::start().await;
    for path in ["/sse/a", "/chunked/a", "/stream/a"] {
        let answer = server.request(&format!("HEAD {path} HTTP/1.1\r\nHost: t"), b"").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.fields.get("content-length"), None, "as GET");
        let bad = server.request(&format!("HEAD {path}..b HTTP/1.1\r\nHost: t"), b"").await;
        assert_eq!(bad.status, 400);
        assert!(answer.fields["content-type"].contains(if path == "/sse/a" {
            "event-stream"
        } else {
            "ndjson"
        }));
    }
    let opened: f64 = futures_util::future::join_all(Wire::ALL.map(|wire| {
        let series = format!("tricast_connections_opened_total{{wire=\"{}\"}}", wire.name());
        let server = &server;
        async move { server.metric(&series).await }
    }))
    .await
    .iter()
    .sum();
    assert_eq!(opened, 0.0);
}

async fn the_negotiated_url_picks_the_wire() {
    let server = Server::start().await;
    let accept = "GET /stream/a HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n\r\n";
    for (request, content_type) in [
        (accept, "text/event-stream; charset=utf-8"),
        ("GET /stream/a HTTP/1.1\r\nHost: t\r\n\r\n", "application/x-ndjson"),
    ] {
        let mut connection = server.connect().await;
        connection.send(request).await;
        let head = connection.head().await;
        assert_eq!(head.fields["content-type"], content_type);
        assert!(head.fields["vary"].contains("accept"), "{head:?}");
    }
    let (mut socket, _) = Reader::handshake(&server, "/stream/a").await.expect("opens");
    let hello = futures_util::StreamExt::next(&mut socket).await.expect("a frame").expect("reads");
    assert!(hello.to_text().expect("text").contains("tricast.hello"));
}

tricast_tests::each_wire_and_transport!(
    connections_and_users_are_counted_per_wire,
    changes_are_sent_on_request_and_coalesced,
    resets_in_the_thousands_leave_the_count_exact,
    a_half_closed_connection_has_left
);

tricast_tests::each_delivery_and_transport!(
    an_unknown_channel_is_empty_and_not_an_error,
    channels_are_listed_by_name_without_the_users_own,
    a_head_request_never_attaches,
    the_negotiated_url_picks_the_wire
);
