//! Tokens on streams: streams end with their token, renew it, and show it to no other client.

use std::time::Duration;

use serde_json::json;
use tricast_tests::{
    Event, Reader, SECRET, Server, SmallBuffer, Wire, stream_head, token, token_of,
};

const TAB: &str = "tab-0123456789abcdef";

async fn server(more: &str) -> Server {
    Server::with(&format!(
        "{more}\n[tokens]\nsecret = \"{SECRET}\"\nwarning = \"3s\"\nleeway = \"0s\""
    ))
    .await
}

async fn publish(server: &Server, target: &str, token: &str) {
    let head = format!(
        "POST /publish/{target} HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
         Authorization: Bearer {token}"
    );
    let answer = server.request(&head, b"x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn a_stream_ends_with_its_token_after_a_warning(wire: Wire) {
    let server = server("").await;
    let ending = token_of(json!({"sub": "alice", "subscribe": ["a"]}), 6);
    let mut reader = Reader::open(&server, wire, &format!("a?token={ending}")).await;
    assert_eq!(reader.control("hello").await["user"], "alice");
    let writer = token("bob", &[], &["a"]);
    publish(&server, "a", &writer).await;
    assert_eq!(reader.data().await, "x");
    let warning = reader.control("expiring").await;
    let left = warning["left"].as_u64().expect("milliseconds");
    assert!((1..=3000).contains(&left), "{warning}");
    assert_eq!(warning.get("id"), None, "a warning is no resume point");
    publish(&server, "a", &writer).await;
    assert_eq!(reader.data().await, "x", "it still has some time");
    let goodbye = reader.control("goodbye").await;
    assert_eq!((&goodbye["reason"], &goodbye["reconnect"]), (&json!("expired"), &json!("now")));
    let end = if wire == Wire::Ws { Some((4003, "expired".to_owned())) } else { None };
    assert_eq!(reader.end().await, Event::End(end));
    // A client that reconnects with it is refused permanently.
    let answer = server.request(&stream_head(wire, &format!("a?token={ending}")), b"").await;
    assert_eq!((answer.status, answer.problem().as_str()), (401, "token-expired"));
    // With a new one nothing is missing.
    publish(&server, "a", &writer).await;
    let fresh = token("alice", &["a"], &[]);
    let id = reader.last_id.clone();
    let mut again =
        Reader::open_after(&server, wire, &format!("a?token={fresh}"), id.as_deref()).await;
    assert_eq!(again.control("hello").await["recovered"], true);
    assert_eq!(again.data().await, "x");
}

/// A reader that has much to catch up with ends on time too.
async fn a_backlog_does_not_outlive_the_token(wire: Wire) {
    let server = server("[history]\nmessages = 100000\nbytes = \"64MiB\"").await;
    let writer = token("bob", &[], &["a"]);
    // Several times what all sockets between the gateway and its reader can hold.
    let all = 2000;
    let lines = format!("\"{}\"\n", "x".repeat(8 << 10)).repeat(all);
    let head = format!(
        "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\nAuthorization: Bearer {writer}",
        lines.len()
    );
    assert_eq!(server.request(&head, lines.as_bytes()).await.status, 200);
    let ending = token_of(json!({"sub": "alice", "subscribe": ["a"]}), 4);
    let mut reader =
        Reader::open(&SmallBuffer(&server), wire, &format!("a?since=earliest&token={ending}"))
            .await;
    reader.control("hello").await;
    // Until after its end, nothing is read: what the sockets hold came before.
    tricast_tests::eventually("the token has ended", async || {
        let answer = server.request(&stream_head(wire, &format!("a?token={ending}")), b"").await;
        (answer.status == 401).then_some(())
    })
    .await;
    let mut seen = 0;
    let goodbye = loop {
        let document = reader.document().await;
        match document["event"].as_str() {
            Some("tricast.goodbye") => break document,
            Some("tricast.expiring") => {}
            _ => seen += 1,
        }
    };
    assert_eq!(goodbye["reason"], "expired");
    assert!(seen < all, "all of it");
}

async fn the_user_is_the_tokens_and_nobody_elses(wire: Wire) {
    let server = server("").await;
    let alice = token("alice", &["a"], &["a"]);
    for target in [
        "a?user=alice".to_owned(),
        format!("a?user=alice&token={alice}"),
        format!("a?user=bob&token={alice}"),
    ] {
        let answer = server.request(&stream_head(wire, &target), b"").await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-parameter"), "{target}");
    }
    // One message to the user, on all the user's connections.
    let mut reader = Reader::open(&server, wire, &format!("a?token={alice}")).await;
    reader.control("hello").await;
    publish(&server, "@alice", &token("bob", &[], &["@*"])).await;
    assert_eq!(reader.document().await["channel"], "@alice");
}

/// With verified users, a client id alone hides no message from any other user.
async fn no_client_can_hide_a_message_from_another_user(wire: Wire) {
    let server = server("[[namespace]]\npattern = \"a\"\npublish = \"anyone\"").await;
    let alice = token("alice", &["a"], &["a"]);
    let mut reader = Reader::open(&server, wire, &format!("a?client={TAB}&token={alice}")).await;
    reader.control("hello").await;
    let target = format!("a?client={TAB}&skip_self=true");
    let answer = server.post(&format!("/publish/{target}"), "", b"from nobody").await;
    assert_eq!(answer.status, 200);
    publish(&server, &target, &token("mallory", &[], &["a"])).await;
    publish(&server, &target, &alice).await;
    let answer = server.post("/publish/a", "", b"end").await;
    assert_eq!(answer.status, 200);
    assert_eq!(reader.all_data(3).await, ["from nobody", "x", "end"], "only one's own is skipped");
}

async fn a_new_token_on_an_open_connection() {
    let server = server("").await;
    let first = token_of(json!({"sub": "alice", "subscribe": ["a", "b"]}), 4);
    let mut reader = Reader::open(&server, Wire::Ws, &format!("a,b?token={first}")).await;
    reader.control("hello").await;
    reader.control("expiring").await;
    for (token, problem) in [
        (token("bob", &["**"], &[]), "forbidden"),
        (token_of(json!({"sub": "alice"}), -1), "token-expired"),
        ("nonsense".to_owned(), "bad-token"),
    ] {
        reader.send(&json!({"type": "renew", "token": token, "ref": 1}).to_string()).await;
        let error = reader.control("error").await;
        assert_eq!(error["type"], format!("urn:tricast:{problem}"));
        assert!(!error.to_string().contains(&token), "{error}");
    }
    let next = token("alice", &["a", "c"], &["a"]);
    reader.send(&json!({"type": "renew", "token": next, "ref": 2}).to_string()).await;
    let ack = reader.control("ack").await;
    assert_eq!((&ack["ref"], &ack["left"]), (&json!(2), &json!(["b"])), "{ack}");
    assert!(ack["expires"].as_u64().is_some_and(|end| end > tricast_core::unix_millis() + 50_000));
    // It may now what it could not before, and the other way round.
    for (command, wanted) in [
        (r#"{"type":"subscribe","channel":"c"}"#, "tricast.ack"),
        (r#"{"type":"subscribe","channel":"b"}"#, "tricast.error"),
        (r#"{"channel":"c","data":1}"#, "tricast.error"),
        (r#"{"type":"history","channel":"b"}"#, "tricast.error"),
        (r#"{"type":"online","channel":"a"}"#, "tricast.ack"),
    ] {
        reader.send(command).await;
        assert_eq!(reader.document().await["event"], wanted, "{command}");
    }
    // Beyond the end of the first token it still reads.
    let writer = token("bob", &[], &["a"]);
    tricast_tests::eventually("the first has ended", async || {
        let answer = server.request(&stream_head(Wire::Ws, &format!("a?token={first}")), b"").await;
        (answer.status == 401).then_some(())
    })
    .await;
    publish(&server, "a", &writer).await;
    assert_eq!(reader.data().await, "x");
    assert!(reader.is_silent_for(Duration::from_millis(300)).await);
}

async fn a_raw_websocket_without_the_right_to_publish_is_closed() {
    let server = server("").await;
    let reads = token("alice", &["a"], &[]);
    let mut reader = Reader::open(&server, Wire::Ws, &format!("a?format=raw&token={reads}")).await;
    reader.send("something").await;
    assert_eq!(reader.end().await, Event::End(Some((4201, "forbidden".to_owned()))));
    assert_eq!(server.metric("tricast_refusals_total{reason=\"forbidden\"}").await, 1.0);
}

async fn a_stream_of_lines_ends_with_its_token() {
    let server = server("").await;
    let ending = token_of(json!({"sub": "alice", "publish": ["a"]}), 4);
    let mut connection = server.connect().await;
    let head = format!(
        "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\nAuthorization: Bearer {ending}\r\n\r\n"
    );
    connection.send(head).await;
    connection.send("2\r\n1\n\r\n").await;
    tricast_tests::eventually("the token has ended", async || {
        let head = format!(
            "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
            Authorization: Bearer {ending}"
        );
        (server.request(&head, b"2").await.status == 401).then_some(())
    })
    .await;
    connection.send("2\r\n3\n\r\n").await;
    let head = connection.head().await;
    assert_eq!(head.status, 401);
    let body = connection.take(head.content_length().expect("a length")).await;
    let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem");
    assert_eq!(
        (&problem["type"], &problem["published"]),
        (&json!("urn:tricast:token-expired"), &json!(1))
    );
}

async fn two_tokens_that_differ_are_refused() {
    let server = server("").await;
    let (one, two) = (token("alice", &["a"], &[]), token("bob", &["a"], &[]));
    let head = format!("GET /sse/a?token={one} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {two}");
    assert_eq!(server.request(&head, b"").await.problem(), "bad-parameter");
    let head =
        format!("GET /history/a?token={one} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {one}");
    assert_eq!(server.request(&head, b"").await.status, 200, "the same twice is one");
    let head = format!("GET /sse/a?token={one}&token={one} HTTP/1.1\r\nHost: t");
    let answer = server.request(&head, b"").await;
    assert!(answer.problem() == "bad-parameter" && !answer.text().contains(&one), "{answer:?}");
}

tricast_tests::each_wire_and_transport!(
    a_stream_ends_with_its_token_after_a_warning,
    a_backlog_does_not_outlive_the_token,
    the_user_is_the_tokens_and_nobody_elses,
    no_client_can_hide_a_message_from_another_user
);

tricast_tests::each_delivery_and_transport!(
    a_new_token_on_an_open_connection,
    a_raw_websocket_without_the_right_to_publish_is_closed,
    a_stream_of_lines_ends_with_its_token,
    two_tokens_that_differ_are_refused
);
