//! Resume points: where a request may carry one, and what becomes of one that this log has not
//! issued.

use serde_json::{Value, json};
use tricast_tests::{Connection, Reader, Server, Wire, stream_head};

/// Ids that the log of `epoch` has not issued, each with the `reason` of the hello. They are ids of
/// other servers, mangled ids, and ids that this log has not reached.
fn foreign_ids(epoch: &str) -> Vec<(String, &'static str)> {
    let long = "x".repeat(4000);
    let other_epochs = ["older-77", "older-1", "0-0"].map(|id| (id.to_owned(), "epoch"));
    let ahead = ["99", "9223372036854775807"].map(|seq| (format!("{epoch}-{seq}"), "foreign"));
    let mangled = [
        format!("{epoch}-9223372036854775808"),
        format!("{epoch}-99999999999999999999999"),
        format!("{epoch}-01"),
        format!("{epoch}-"),
        format!("{epoch} -1"),
        format!("\"{epoch}-1\""),
        format!("{epoch}%2D1"),
        format!("{}-1", epoch.to_uppercase()),
        epoch.to_owned(),
    ];
    let others = [
        "nonsense",
        "-",
        "0",
        "42",
        "null",
        "undefined",
        "1732000000:0",
        "1732000001,1732000000:0,[1]",
        "1526919030474-55,1526919030475-0",
        "urn:uuid:16b7d1ca-4f3c-4b7e-9d6c-1f0e2a9c3b5d",
        "2026-11-30T12:00:00Z",
        "{\"id\": 7, \"shard\": 2}",
        &long,
    ];
    let unreadable = mangled.into_iter().chain(others.map(str::to_owned));
    let unreadable = unreadable.map(|id| (id, "foreign"));
    other_epochs.into_iter().chain(ahead).chain(unreadable).collect()
}

fn epoch_of(id: &str) -> &str {
    id.split_once('-').expect("an id").0
}

/// Reads hello and the gap of unknown extent of each channel.
async fn expect_unknown_gaps(reader: &mut Reader, channels: &[&str], reason: &str, id: &str) {
    let hello = reader.control("hello").await;
    let why = (&hello["recovered"], &hello["reason"]);
    assert_eq!(why, (&json!(false), &json!(reason)), "{id}");
    for channel in channels {
        let gap = reader.control("gap").await;
        assert_eq!(gap["channel"], *channel, "{id}");
        let extent = (&gap["first"], &gap["last"], &gap["certain"]);
        assert_eq!(extent, (&json!(null), &json!(null), &json!(false)), "{id}");
    }
}

/// An `EventSource` gives up for good on a 400, and it may bring the id of the server that was
/// behind this URL before.
async fn a_foreign_id_in_the_header_makes_a_gap_and_everything_held_follows(wire: Wire) {
    let server = Server::start().await;
    let first = server.publish("a", "1").await;
    server.publish("b", "2").await;
    for (id, reason) in foreign_ids(epoch_of(&first)) {
        let field = [("Last-Event-ID", id.as_str())];
        let mut reader = Reader::open_with(&server, wire, "a,b", &field).await;
        expect_unknown_gaps(&mut reader, &["a", "b"], reason, &id).await;
        assert_eq!(reader.all_data(2).await, ["1", "2"], "{id}");
    }
}

async fn a_foreign_id_outside_ascii_is_let_in(wire: Wire) {
    let server = Server::start().await;
    let head = format!("{}\r\nLast-Event-ID: épreuve-1", stream_head(wire, "a"));
    let mut connection = server.connect().await;
    connection.send(format!("{head}\r\n\r\n")).await;
    assert_eq!(connection.head().await.status, if wire == Wire::Ws { 101 } else { 200 });
}

/// The reader has an id of this log from the first frame on.
async fn a_reader_with_a_foreign_id_resumes_from_then_on(wire: Wire) {
    let server = Server::start().await;
    let mut first = Reader::open(&server, wire, "a").await;
    let hello = first.control("hello").await;
    let epoch = epoch_of(hello["id"].as_str().expect("an id"));
    let ahead = format!("{epoch}-5");
    let field = [("Last-Event-ID", ahead.as_str())];
    let mut reader = Reader::open_with(&server, wire, "a?user=alice", &field).await;
    expect_unknown_gaps(&mut reader, &["a", "@alice"], "foreign", &ahead).await;
    let last = reader.last_id.clone();
    assert_eq!(last, Some(format!("{epoch}-0")), "the log is empty");
    server.publish("a", "1").await;
    assert_eq!(reader.data().await, "1");
    reader.reset();
    let mut reader = Reader::open_after(&server, wire, "a?user=alice", last.as_deref()).await;
    assert_eq!(reader.control("hello").await["recovered"], true);
    assert_eq!(reader.data().await, "1");
}

/// What a program writes into its URL is under its control: there, an id that cannot be read is a
/// mistake. One that can be read may be older than a restart.
async fn a_foreign_id_in_the_query_is_refused_only_if_it_cannot_be_read(wire: Wire) {
    let server = Server::start().await;
    let first = server.publish("a", "1").await;
    let epoch = epoch_of(&first);
    for name in ["last_event_id", "lastEventId"] {
        for (id, reason) in [
            ("older-77".to_owned(), "epoch"),
            (format!("{epoch}-99"), "foreign"),
            (format!("{epoch}-9223372036854775807"), "foreign"),
        ] {
            let mut reader = Reader::open(&server, wire, &format!("a?{name}={id}")).await;
            expect_unknown_gaps(&mut reader, &["a"], reason, &id).await;
            assert_eq!(reader.data().await, "1");
        }
        for id in ["nonsense", "42", &format!("{epoch}-9223372036854775808"), "%C3%A9-1"] {
            let answer = server.request(&stream_head(wire, &format!("a?{name}={id}")), b"").await;
            assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-resume"), "{id}");
            assert_eq!(answer.json()["parameter"], name);
        }
    }
}

/// Each case: further header fields, a query, and the id that the stream begins after; `None` if
/// the request is refused.
fn cases(ids: &[String; 3]) -> Vec<(String, String, Option<&str>)> {
    let [one, two, head] = ids;
    let lines = |values: &[&str]| -> String {
        values.iter().map(|value| format!("\r\nLast-Event-ID: {value}")).collect()
    };
    let both = format!("{one}, {two}");
    let header = |values: &[&str], expected| (lines(values), String::new(), expected);
    let query = |text: String, expected| (String::new(), text, expected);
    let (first, latest) = (Some(one.as_str()), Some(head.as_str()));
    vec![
        header(&[one], first),
        header(&["", one], first),
        header(&[one, ""], first),
        header(&[one, one], first),
        header(&[&format!("{one}, {one}")], first),
        header(&[&format!("{one},{one}"), one], first),
        header(&[&format!(", {one}")], first),
        header(&[&format!("{one},")], first),
        header(&["", ""], latest),
        header(&[","], latest),
        header(&[one, two], None),
        header(&[two, one], None),
        header(&[&both], None),
        header(&[one, "nonsense"], None),
        header(&["nonsense", one], None),
        header(&[&format!("nonsense, {one}")], None),
        header(&["older-1", one], None),
        query(format!("last_event_id={one}"), first),
        query(format!("last_event_id={two}&lastEventId={one}"), first),
        query(format!("lastEventId={one}&last_event_id={two}"), first),
        query(format!("last_event_id={one}&lastEventId="), first),
        query(format!("since=latest&last_event_id={one}"), first),
        query(format!("last_event_id={one}&last_event_id={one}"), first),
        query(format!("last_event_id=&last_event_id={one}"), first),
        query("last_event_id=&lastEventId=&since=".to_owned(), latest),
        query("since=latest&since=latest".to_owned(), latest),
        query(format!("last_event_id={one}&last_event_id={two}"), None),
        query(format!("lastEventId={one}&lastEventId={two}"), None),
        query("since=1&since=2".to_owned(), None),
        query(format!("lastEventId={one}&last_event_id=nonsense"), None),
        query(format!("lastEventId={one}&since=nonsense"), None),
        (lines(&[one]), format!("lastEventId={two}&last_event_id={two}&since=latest"), first),
        (lines(&[""]), format!("last_event_id={one}"), first),
        (lines(&[one]), "last_event_id=nonsense".to_owned(), None),
        (lines(&[one, two]), format!("last_event_id={one}"), None),
    ]
}

/// Sources never conflict; within one source, values do.
async fn the_first_source_wins_and_each_has_one_value(wire: Wire) {
    let server = Server::start().await;
    let ids = [
        server.publish("a", "1").await,
        server.publish("a", "2").await,
        server.publish("a", "3").await,
    ];
    for path in [wire.name(), "stream"] {
        for (fields, query, expected) in cases(&ids) {
            let accept = if wire == Wire::Sse { "\r\nAccept: text/event-stream" } else { "" };
            let head = stream_head(wire, &format!("a?{query}"));
            let head = head.replacen(&format!("/{}/", wire.name()), &format!("/{path}/"), 1);
            let mut connection = server.connect().await;
            connection.send(format!("{head}{accept}{fields}\r\n\r\n")).await;
            let head = connection.head().await;
            let cursor = head.fields.get("tricast-id").map(String::as_str);
            assert_eq!(cursor, expected, "{path} {query} {fields}");
            if expected.is_none() {
                assert_eq!(head.status, 400, "{path} {query} {fields}");
                let body = connection.take(head.content_length().expect("a length")).await;
                let problem: Value = serde_json::from_slice(&body).expect("JSON");
                assert_eq!(problem["type"], "urn:tricast:bad-resume", "{problem}");
            }
        }
    }
}

async fn history_takes_resume_points_as_streams_do() {
    let server = Server::start().await;
    let first = server.publish("a", "1").await;
    server.publish("a", "2").await;
    let ask = async |channel: &str, fields: &str, query: &str| {
        let head = format!("GET /history/{channel}?{query} HTTP/1.1\r\nHost: t{fields}");
        server.request(&head, b"").await
    };
    let unknown = json!({"first": null, "last": null, "certain": false});
    let messages = |page: &Value| page["messages"].as_array().map(Vec::len);
    for (id, _) in foreign_ids(epoch_of(&first)) {
        let page = ask("a", &format!("\r\nLast-Event-ID: {id}"), "").await.json();
        assert_eq!((&page["gap"], messages(&page)), (&unknown, Some(2)), "{id}");
        let page = ask("none", &format!("\r\nLast-Event-ID: {id}"), "").await.json();
        assert_eq!((&page["gap"], messages(&page)), (&unknown, Some(0)), "{id}");
    }
    let ahead = format!("last_event_id={}-99", epoch_of(&first));
    let page = ask("a", "", &ahead).await.json();
    assert_eq!((&page["gap"], messages(&page)), (&unknown, Some(2)));
    let next = format!("last_event_id={}", page["id"].as_str().expect("an id"));
    let page = ask("a", "", &next).await.json();
    assert_eq!((&page["gap"], messages(&page)), (&json!(null), Some(0)));
    for (fields, query) in [
        (format!("\r\nLast-Event-ID: {first}\r\nLast-Event-ID: older-1"), ""),
        (String::new(), "last_event_id=nonsense"),
    ] {
        assert_eq!(ask("a", &fields, query).await.problem(), "bad-resume", "{fields} {query}");
    }
}

/// Sends a POST that publishes and subscribes; returns the connection and the status.
async fn post(server: &Server, wire: Wire, query: &str, fields: &str) -> (Connection, u16) {
    let mut connection = server.connect().await;
    let head = format!("POST /{}/a?{query} HTTP/1.1\r\nHost: t{fields}", wire.name());
    connection.send(format!("{head}\r\nContent-Length: 3\r\n\r\nask")).await;
    let status = connection.head().await.status;
    (connection, status)
}

/// Reads up to the end of hello, and returns its document.
async fn hello_of(connection: &mut Connection) -> Value {
    let mut text = String::new();
    loop {
        let chunk = connection.chunk().await.expect("more");
        text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        if let Some(line) = lines.find(|line| line.contains("\"tricast.hello\"")) {
            let document = line.trim_start_matches("data: ");
            return serde_json::from_str(document).expect("a document");
        }
    }
}

/// A client that repeats its POST after a cut must not ask twice, and must be able to see that.
async fn a_post_with_an_id_publishes_nothing_and_says_so(wire: Wire) {
    let server = Server::start().await;
    let held = async || server.get("/history/a").await.json()["messages"].clone();
    for format in ["json", "raw"].into_iter().take(if wire == Wire::Sse { 2 } else { 1 }) {
        let before = held().await.as_array().map_or(0, Vec::len);
        let query = format!("format={format}");
        let (mut connection, status) = post(&server, wire, &query, "").await;
        let hello = hello_of(&mut connection).await;
        assert_eq!((status, &hello["published"]), (200, &json!(true)), "{hello}");
        assert_eq!(held().await.as_array().map(Vec::len), Some(before + 1));
        let own = hello["id"].as_str().expect("an id").to_owned();
        for _ in 0..2 {
            let repeated = format!("{query}&id=order-7-{format}&client=0123456789abcdef");
            let (mut connection, _) = post(&server, wire, &repeated, "").await;
            let hello = hello_of(&mut connection).await;
            assert_eq!(hello["published"], true, "once, by the first of the two");
            assert_eq!(held().await.as_array().map(Vec::len), Some(before + 2));
        }
        let ahead = format!("{}-99", epoch_of(&own));
        for (id, recovered) in [(own.as_str(), true), ("older-1", false), (ahead.as_str(), false)] {
            let field = format!("\r\nLast-Event-ID: {id}");
            let parameter = format!("{query}&last_event_id={id}");
            for (query, fields) in [(query.as_str(), field.as_str()), (&parameter, "")] {
                let (mut connection, status) = post(&server, wire, query, fields).await;
                let hello = hello_of(&mut connection).await;
                assert_eq!((status, &hello["published"]), (200, &json!(false)), "{hello}");
                assert_eq!(hello["recovered"], recovered, "{hello}");
            }
        }
        let (_, status) = post(&server, wire, &query, "\r\nLast-Event-ID: nonsense").await;
        assert_eq!(status, 400, "a program sets this header itself");
        let (_, status) = post(&server, wire, &format!("{query}&last_event_id=42"), "").await;
        assert_eq!(status, 400);
        assert_eq!(held().await.as_array().map(Vec::len), Some(before + 2));
    }
    let mut reader = Reader::open(&server, wire, "a").await;
    assert_eq!(reader.control("hello").await.get("published"), None, "a GET publishes nothing");
}

async fn a_head_request_is_answered_as_get_would_be(wire: Wire) {
    let server = Server::start().await;
    let first = server.publish("a", "1").await;
    for (value, status) in [("nonsense", 200), (&format!("{first}, older-1"), 400)] {
        let head = format!("HEAD /{}/a HTTP/1.1\r\nHost: t", wire.name());
        let answer = server.request(&format!("{head}\r\nLast-Event-ID: {value}"), b"").await;
        assert_eq!(answer.status, status, "{value}");
    }
}

async fn a_resume_point_in_a_command_is_refused_only_if_it_cannot_be_read() {
    let server = Server::start().await;
    let first = server.publish("b", "1").await;
    let mut me = Reader::open(&server, Wire::Ws, "a").await;
    me.control("hello").await;
    for (command, fields) in [
        ("subscribe", json!({"last_event_id": "nonsense"})),
        ("subscribe", json!({"last_event_id": format!("{}-01", epoch_of(&first))})),
        ("subscribe", json!({"last_event_id": first, "since": "nonsense"})),
        ("history", json!({"last_event_id": "42"})),
    ] {
        let mut text = json!({"type": command, "channel": "b"});
        fields.as_object().expect("an object").iter().for_each(|(name, value)| {
            text[name] = value.clone();
        });
        me.send(&text.to_string()).await;
        assert_eq!(me.control("error").await["type"], "urn:tricast:bad-resume", "{text}");
    }
    let ahead = format!("{}-99", epoch_of(&first));
    let unknown = json!({"first": null, "last": null, "certain": false});
    me.send(&json!({"type": "history", "channel": "b", "last_event_id": ahead}).to_string()).await;
    let history = me.control("ack").await["history"].clone();
    assert_eq!((&history["gap"], &history["messages"][0]["data"]), (&unknown, &json!("1")));
    me.send(&json!({"type": "subscribe", "channel": "b", "last_event_id": ahead}).to_string())
        .await;
    let ack = me.control("ack").await;
    assert_eq!((&ack["recovered"], &ack["reason"]), (&json!(false), &json!("foreign")));
    let gap = me.control("gap").await;
    assert_eq!(
        (&gap["channel"], &gap["first"], &gap["last"]),
        (&json!("b"), &Value::Null, &Value::Null)
    );
    assert_eq!(me.data().await, "1");
    // A program that has no id yet may write an empty one, as in a query.
    let empty = json!({"type": "history", "channel": "b", "last_event_id": "", "since": 0});
    me.send(&empty.to_string()).await;
    assert_eq!(me.control("ack").await["history"]["messages"], json!([]));
}

tricast_tests::each_wire_and_transport!(
    a_foreign_id_in_the_header_makes_a_gap_and_everything_held_follows,
    a_foreign_id_outside_ascii_is_let_in,
    a_reader_with_a_foreign_id_resumes_from_then_on,
    a_foreign_id_in_the_query_is_refused_only_if_it_cannot_be_read,
    the_first_source_wins_and_each_has_one_value
);

tricast_tests::each_http_wire_and_transport!(
    a_post_with_an_id_publishes_nothing_and_says_so,
    a_head_request_is_answered_as_get_would_be
);

tricast_tests::each_delivery_and_transport!(
    history_takes_resume_points_as_streams_do,
    a_resume_point_in_a_command_is_refused_only_if_it_cannot_be_read
);
