//! Clients, users and skip-self: the same on all wires.

use std::time::Duration;

use serde_json::json;
use tricast_tests::{Reader, Server, Wire};

const TAB: &str = "tab-0123456789abcdef";
const OTHER: &str = "tab-fedcba9876543210";

async fn skip_self_holds_live_and_on_replay(wire: Wire) {
    let server = Server::start().await;
    let mut me = Reader::open(&server, wire, &format!("chat?client={TAB}")).await;
    let mut second_connection =
        Reader::open(&server, Wire::Chunked, &format!("chat?client={TAB}")).await;
    let mut other = Reader::open(&server, wire, &format!("chat?client={OTHER}")).await;
    let hello = me.control("hello").await;
    assert_eq!((&hello["client"], &hello["issued"]), (&json!(TAB), &json!(false)));
    second_connection.control("hello").await;
    other.control("hello").await;
    server.publish(&format!("chat?client={TAB}&skip_self=true"), "mine").await;
    server.publish("chat", "for all").await;
    for reader in [&mut me, &mut second_connection] {
        assert_eq!(reader.data().await, "for all");
    }
    assert_eq!(other.all_data(2).await, ["mine", "for all"]);
    me.reset();
    let mut me =
        Reader::open_after(&server, wire, &format!("chat?client={TAB}"), hello["id"].as_str())
            .await;
    assert_eq!(me.control("hello").await["recovered"], true);
    assert_eq!(me.data().await, "for all");
    // Another client that resumes from the same id gets both.
    let mut other =
        Reader::open_after(&server, wire, &format!("chat?client={OTHER}"), hello["id"].as_str())
            .await;
    other.control("hello").await;
    assert_eq!(other.all_data(2).await, ["mine", "for all"]);
}

async fn a_client_without_an_id_is_given_one_that_works(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "chat").await;
    let hello = reader.control("hello").await;
    assert_eq!(hello["issued"], true);
    let client = hello["client"].as_str().expect("a client id");
    server.publish(&format!("chat?client={client}&skip_self=true"), "mine").await;
    server.publish("chat", "for all").await;
    assert_eq!(reader.data().await, "for all");
}

async fn a_users_own_channel_reaches_all_its_connections(wire: Wire) {
    let server = Server::start().await;
    let mut phone = Reader::open(&server, wire, "news?user=alice").await;
    let mut laptop = Reader::open(&server, Wire::Sse, "other,@alice?user=alice").await;
    let mut bob = Reader::open(&server, wire, "news?user=bob").await;
    assert_eq!(phone.control("hello").await["user"], "alice");
    laptop.control("hello").await;
    bob.control("hello").await;
    let answer = server.post("/publish/@alice", "", b"psst").await.json();
    assert_eq!(answer["subscribers"], 2);
    server.publish("news", "for all").await;
    let own = phone.document().await;
    assert_eq!((&own["channel"], &own["data"]), (&json!("@alice"), &json!("psst")));
    assert_eq!(phone.data().await, "for all");
    assert_eq!(laptop.data().await, "psst");
    assert_eq!(bob.data().await, "for all");
}

async fn a_message_to_a_user_is_replayed_too(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "news?user=alice").await;
    let hello = reader.control("hello").await;
    reader.reset();
    server.publish("@alice", "psst").await;
    let mut reader =
        Reader::open_after(&server, wire, "news?user=alice", hello["id"].as_str()).await;
    assert_eq!(reader.control("hello").await["recovered"], true);
    assert_eq!(reader.data().await, "psst");
}

/// A listener on this wire, a publisher by POST: still one client.
async fn a_post_on_the_stream_publishes_and_listens(wire: Wire) {
    let server = Server::start().await;
    let mut other = Reader::open(&server, Wire::Ws, "ask").await;
    other.control("hello").await;
    let mut connection = server.connect().await;
    let path = format!("/{}/ask?client={TAB}&event=question", wire.name());
    let post = |extra: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\n\
             Content-Length: 3{extra}\r\n\r\nwhy"
        )
    };
    connection.send(post("")).await;
    assert_eq!(connection.head().await.status, 200);
    let mut text = String::new();
    while !text.contains("why") {
        text.push_str(&String::from_utf8(connection.chunk().await.expect("more")).expect("UTF-8"));
    }
    assert!(text.find("tricast.hello") < text.find("why"), "hello is first: {text}");
    let question = other.document().await;
    assert_eq!((&question["event"], &question["data"]), (&json!("question"), &json!("why")));
    // fetch-event-source repeats its POST when it reconnects: that is no second question.
    let id = question["id"].as_str().expect("id");
    let mut connection = server.connect().await;
    connection.send(post(&format!("\r\nLast-Event-ID: {id}"))).await;
    assert_eq!(connection.head().await.status, 200);
    assert!(other.is_silent_for(Duration::from_millis(50)).await);
}

async fn another_users_channel_is_forbidden() {
    let server = Server::start().await;
    for path in
        ["/sse/@alice", "/chunked/a,@alice?user=bob", "/history/@alice?user=bob", "/history/@alice"]
    {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{path}");
    }
    assert_eq!(server.get("/history/@alice?user=alice").await.status, 200);
}

async fn require_online_refuses_a_publish_without_a_subscriber() {
    let server = Server::start().await;
    let answer = server.post("/publish/@nobody", "", b"x").await;
    assert_eq!((answer.status, answer.json()["subscribers"].as_u64()), (200, Some(0)));
    let answer = server.post("/publish/@nobody?require_online=true", "", b"y").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "nobody-online"));
    let held = server.get("/history/@nobody?user=nobody").await.json();
    assert_eq!(held["messages"].as_array().map(Vec::len), Some(1), "nothing was published: {held}");
}

/// The publisher of the question does not count as a subscriber.
async fn a_post_that_listens_does_not_count_itself() {
    let server = Server::start().await;
    let answer = server.post("/sse/ask?require_online=true", "", b"anybody?").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "nobody-online"));
    assert_eq!(server.gateway.connections(), 0);
}

async fn a_repeat_gets_its_first_answer_also_when_everybody_has_left() {
    let server = Server::start().await;
    let reader = Reader::open(&server, Wire::Sse, "a").await;
    let path = "/publish/a?require_online=true&id=once";
    let first = server.post(path, "", b"x").await.json();
    drop(reader);
    tricast_tests::eventually("it has left", async || {
        (server.gateway.connections() == 0).then_some(())
    })
    .await;
    let repeat = server.post(path, "", b"x").await.json();
    assert_eq!((&repeat["id"], &repeat["duplicate"]), (&first["id"], &json!(true)));
}

async fn client_ids_are_never_shown_to_others() {
    let server = Server::start().await;
    let mut other = Reader::open(&server, Wire::Sse, "chat?online=true").await;
    let hello = other.control("hello").await;
    let _me = Reader::open(&server, Wire::Sse, &format!("chat?client={TAB}&user=alice")).await;
    server.publish(&format!("chat?client={TAB}&user=alice&skip_self=true"), "x").await;
    let mut seen = hello.to_string();
    while !seen.contains("\"data\":\"x\"") {
        seen.push_str(&other.document().await.to_string());
    }
    seen.push_str(&server.get("/history/chat").await.text());
    seen.push_str(&server.get("/online/chat").await.text());
    assert!(!seen.contains(TAB) && !seen.contains("alice"), "{seen}");
}

tricast_tests::each_wire_and_transport!(
    skip_self_holds_live_and_on_replay,
    a_client_without_an_id_is_given_one_that_works,
    a_users_own_channel_reaches_all_its_connections,
    a_message_to_a_user_is_replayed_too
);

tricast_tests::each_http_wire_and_transport!(a_post_on_the_stream_publishes_and_listens);

tricast_tests::each_delivery_and_transport!(
    another_users_channel_is_forbidden,
    require_online_refuses_a_publish_without_a_subscriber,
    a_post_that_listens_does_not_count_itself,
    a_repeat_gets_its_first_answer_also_when_everybody_has_left,
    client_ids_are_never_shown_to_others
);
