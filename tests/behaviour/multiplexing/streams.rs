//! The streams of a connection, and the windows that they share.

use super::*;

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

async fn a_slow_consumer_gets_a_gap_and_its_siblings_none() {
    let server = Server::in_memory("[history]\nmessages = 5").await;
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

tricast_tests::each_delivery!(
    one_connection_carries_hundreds_of_streams,
    an_unread_stream_does_not_slow_its_siblings,
    an_unread_stream_leaves_window_for_its_siblings,
    an_interrupted_network_costs_no_stream,
    a_slow_consumer_gets_a_gap_and_its_siblings_none,
    reset_streams_return_their_window_on_a_full_connection,
    lines_are_published_while_the_client_still_sends,
    lines_under_backpressure_do_not_cost_their_siblings_the_connection
);
