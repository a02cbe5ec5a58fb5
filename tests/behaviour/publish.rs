//! Publishing: one message or a stream of them, once even when it is repeated.

use serde_json::json;
use tricast_tests::{Connection, Reader, Server, Wire};

const NDJSON: &str = "application/x-ndjson";

/// Begins a chunked NDJSON request whose lines the test sends one by one.
async fn begin_lines(server: &Server, target: &str) -> Connection {
    let mut publisher = server.connect().await;
    let head = format!(
        "POST /publish/{target} HTTP/1.1\r\nHost: t\r\nContent-Type: {NDJSON}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    publisher.send(head).await;
    publisher
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A stream in, a stream out: each line leaves before the next one comes.
async fn lines_are_published_as_they_arrive(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "logs").await;
    reader.control("hello").await;
    let mut publisher = begin_lines(&server, "logs?event=line").await;
    for n in 0..5 {
        publisher.send(chunk(&format!("{{\"n\":{n}}}\n"))).await;
        let document = reader.document().await;
        assert_eq!((&document["event"], &document["data"]["n"]), (&json!("line"), &json!(n)));
    }
    // A line may come in parts, and the last one needs no end.
    publisher.send(chunk("\n\"in par")).await;
    publisher.send(chunk("ts\"\r\n7")).await;
    assert_eq!(reader.data().await, "in parts");
    publisher.send("0\r\n\r\n").await;
    assert_eq!(reader.data().await, 7);
    assert_eq!(publisher.head().await.status, 200);
}

async fn a_message_keeps_its_kind_of_data(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "a").await;
    reader.control("hello").await;
    let cases = [
        ("", &b"hello"[..], json!("hello"), false),
        ("application/x-www-form-urlencoded", b"a=b&c", json!("a=b&c"), false),
        ("text/plain; charset=utf-8", "ä\n".as_bytes(), json!("ä\n"), false),
        ("application/json", b" [1, {\"a\": null}] ", json!([1, {"a": null}]), false),
        ("application/problem+json", b"true", json!(true), false),
        ("application/json, application/json", b"1", json!(1), false),
        ("application/json\r\nContent-Type: Application/JSON", b"2", json!(2), false),
        ("application/json", b"\xef\xbb\xbf{\"bom\":1}", json!({"bom": 1}), false),
        ("text/plain", b"\xef\xbb\xbftext", json!("\u{feff}text"), false),
        ("text/plain", "a\u{85}b\u{2028}".as_bytes(), json!("a\u{85}b\u{2028}"), false),
        ("application/json", "\"\u{2028}\"".as_bytes(), json!("\u{2028}"), false),
        ("application/octet-stream", b"hello", json!("aGVsbG8="), true),
        ("text/plain", b"\xff", json!("/w=="), true),
        ("text/plain", b"", json!(""), false),
    ];
    for (content_type, body, data, is_bytes) in cases {
        let answer = server.post("/publish/a", content_type, body).await;
        assert_eq!(answer.status, 200, "{content_type}");
        assert_eq!(answer.json()["subscribers"], 1);
        let document = reader.document().await;
        assert_eq!((&document["id"], &document["data"]), (&answer.json()["id"], &data));
        assert_eq!(document["encoding"] == "base64", is_bytes, "{document}");
    }
}

async fn lines_with_end_end_the_channel(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "answer").await;
    reader.control("hello").await;
    let answer = server.post("/publish/answer?end=true", NDJSON, b"\"To\"\n\"ken\"\n").await.json();
    assert_eq!(answer["published"], 3);
    assert_eq!(reader.all_data(2).await, ["To", "ken"]);
    let end = reader.document().await;
    assert_eq!(
        (&end["event"], &end["data"], &end["end"]),
        (&json!("end"), &json!(null), &json!(true))
    );
    assert_eq!(end["id"], answer["last"]);
    assert_eq!(reader.control("goodbye").await["reason"], "ended");
}

async fn a_stream_of_lines_is_answered_at_its_end() {
    let server = Server::start().await;
    let answer = server.post("/publish/a", NDJSON, b"1\n\n  \n\"two\"\n3").await.json();
    let history = server.get("/history/a").await.json();
    let messages = history["messages"].as_array().expect("a list");
    assert_eq!(
        answer,
        json!({"published": 3, "first": messages[0]["id"], "last": messages[2]["id"]})
    );
    let nothing = server.post("/publish/a", NDJSON, b"\n").await.json();
    assert_eq!(nothing, json!({"published": 0, "first": null, "last": null}));
}

/// Publishers name the type of JSON lines in several ways, and no name is registered.
async fn json_lines_have_several_names() {
    let server = Server::start().await;
    for name in [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "Application/JSONL; charset=utf-8",
        "application/x-ndjson, application/jsonl",
    ] {
        let answer = server.post("/publish/a", name, b"1\n2\n").await;
        if name.contains(',') {
            assert_eq!(answer.problem(), "bad-parameter", "two types: {name}");
            continue;
        }
        assert_eq!(answer.json()["published"], 2, "{name}");
    }
}

/// Some editors and shells begin every file with a byte order mark.
async fn a_byte_order_mark_before_a_line_is_dropped() {
    let server = Server::start().await;
    for (body, published) in
        [("\u{feff}1\n2\n", 2), ("\u{feff}1\n\u{feff}2\n", 2), ("\u{feff}\n1", 1), ("\u{feff}", 0)]
    {
        let answer = server.post("/publish/a", NDJSON, body.as_bytes()).await;
        assert_eq!(answer.json()["published"], published, "{body:?}");
    }
    let refused = server.post("/publish/a", NDJSON, "1\u{feff}\n".as_bytes()).await;
    assert_eq!(refused.problem(), "bad-json");
}

async fn a_bad_line_is_named_and_the_lines_before_it_are_published() {
    let server = Server::with("[limits]\nmessage_bytes = 100").await;
    let long = format!("1\n\"{}\"\n", "x".repeat(100));
    let endless = "x".repeat(1000);
    let cases = [
        (&b"1\n\n2\n{bad\n3\n"[..], "bad-json", 4, 2),
        (b"1\n\"\xff\"\n", "bad-utf8", 2, 1),
        (b"1 2\n", "bad-json", 1, 0),
        (long.as_bytes(), "too-large", 2, 1),
        (endless.as_bytes(), "too-large", 1, 0),
    ];
    for (body, kind, line, published) in cases {
        let answer = server.post("/publish/a", NDJSON, body).await;
        assert_eq!(answer.problem(), kind);
        let problem = answer.json();
        assert_eq!((&problem["line"], &problem["published"]), (&json!(line), &json!(published)));
        assert_eq!(problem["last"].is_string(), published > 0, "{problem}");
    }
    assert_eq!(server.get("/history/a").await.json()["messages"].as_array().map(Vec::len), Some(4));
}

async fn a_publisher_that_breaks_off_has_published_its_whole_lines() {
    let server = Server::start().await;
    let mut publisher = begin_lines(&server, "a").await;
    publisher.send(chunk("1\n2\n\"hal")).await;
    let mut reader = Reader::open(&server, Wire::Sse, "a?since=earliest").await;
    reader.control("hello").await;
    assert_eq!(reader.all_data(2).await, [1, 2]);
    drop(publisher);
    server.publish("a", "after").await;
    assert_eq!(reader.data().await, "after", "half a line is no message");
}

async fn a_repeat_of_an_id_gets_the_first_answer() {
    let server = Server::start().await;
    let post = async |query: &str| {
        let answer = server.post(&format!("/publish/{query}"), "", b"x").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let first = post("a?id=order-1").await;
    assert_eq!(first.get("duplicate"), None);
    let repeat = post("a?id=order-1").await;
    assert_eq!((&repeat["id"], &repeat["duplicate"]), (&first["id"], &json!(true)));
    assert_eq!(repeat["subscribers"], first["subscribers"]);
    // The id is scoped to its channel and publisher.
    for other in [
        "b?id=order-1",
        "a?id=order-2",
        "a?id=order-1&user=alice",
        "a?id=order-1&client=tab-0123456789abcdef",
    ] {
        assert_eq!(post(other).await.get("duplicate"), None, "{other}");
    }
    // A user is one publisher on every device.
    let again = post("a?id=order-1&user=alice&client=tab-0123456789abcdef").await;
    assert_eq!(again["duplicate"], true);
}

async fn concurrent_repeats_publish_once() {
    let server = Server::start().await;
    let repeats = (0..20).map(|_| server.post("/publish/a?id=once", "", b"x"));
    let answers = futures_util::future::join_all(repeats).await;
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer.json()["id"].as_str().expect("id").to_owned()).collect();
    assert_eq!(ids.len(), 1);
    let first = answers.iter().filter(|answer| answer.json().get("duplicate").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(server.metric("tricast_published_duplicates_total").await, 19.0);
}

async fn an_idempotency_id_is_forgotten_after_its_window() {
    let server = Server::with("[publish]\nidempotency_window = \"50ms\"").await;
    let first = server.publish("a?id=x", "1").await;
    tricast_tests::eventually("the window passes", async || {
        (server.publish("a?id=x", "1").await != first).then_some(())
    })
    .await;
}

async fn history_shows_what_is_held_and_what_is_lost() {
    let server = Server::in_memory("[history]\nmessages = 2").await;
    let first = server.publish("a", "1").await;
    let second = server.publish("a", "2").await;
    let third = server.publish("a", "3").await;
    let history = server.get("/history/a").await.json();
    assert_eq!((&history["id"], &history["gap"]), (&json!(third), &json!(null)));
    assert_eq!(history["messages"][1]["data"], "3");
    let epoch = first.split('-').next().expect("an epoch");
    let history = server.get(&format!("/history/a?last_event_id={epoch}-0")).await.json();
    assert_eq!(history["gap"], json!({"first": 1, "last": 1, "certain": true}));
    let history = server.get(&format!("/history/a?last_event_id={second}")).await.json();
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(1));
    let history = server.get("/history/a?since=1").await.json();
    assert_eq!(history["messages"][0]["id"], json!(third));
    let nothing = server.get("/history/unknown").await.json();
    assert_eq!((&nothing["id"], &nothing["messages"]), (&json!(third), &json!([])));
}

tricast_tests::each_wire_and_transport!(
    lines_are_published_as_they_arrive,
    a_message_keeps_its_kind_of_data,
    lines_with_end_end_the_channel
);

tricast_tests::each_delivery_and_transport!(
    a_stream_of_lines_is_answered_at_its_end,
    json_lines_have_several_names,
    a_byte_order_mark_before_a_line_is_dropped,
    a_bad_line_is_named_and_the_lines_before_it_are_published,
    a_publisher_that_breaks_off_has_published_its_whole_lines,
    a_repeat_of_an_id_gets_the_first_answer,
    concurrent_repeats_publish_once,
    an_idempotency_id_is_forgotten_after_its_window,
    history_shows_what_is_held_and_what_is_lost
);
