//! Resuming: on the same wire or another, completely or with a gap.

use std::time::Duration;

use serde_json::json;
use tricast_tests::{Event, Reader, Server, Wire};

async fn a_dropped_reader_comes_back_without_a_hole(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "a").await;
    reader.control("hello").await;
    server.publish("a", "1").await;
    assert_eq!(reader.data().await, "1");
    let last = reader.last_id.clone();
    reader.reset();
    for text in ["2", "3"] {
        server.publish("a", text).await;
    }
    let mut reader = Reader::open_after(&server, wire, "a", last.as_deref()).await;
    let hello = reader.control("hello").await;
    assert_eq!(hello["recovered"], true);
    assert_eq!(hello["id"].as_str(), last.as_deref(), "the client's own cursor");
    assert_eq!(hello.get("reason"), None);
    server.publish("a", "4").await;
    assert_eq!(reader.all_data(3).await, ["2", "3", "4"]);
}

/// The id of hello is a resume point: a reader that drops before its first message loses nothing.
async fn a_reader_that_drops_right_after_hello_loses_nothing(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "a,b").await;
    let hello = reader.control("hello").await;
    reader.reset();
    server.publish("b", "1").await;
    let mut reader = Reader::open_after(&server, wire, "a,b", hello["id"].as_str()).await;
    reader.control("hello").await;
    assert_eq!(reader.data().await, "1");
}

async fn a_stream_begun_here_is_resumed_on_every_other_wire(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "a,b").await;
    reader.control("hello").await;
    server.publish("b", "1").await;
    reader.data().await;
    let last = reader.last_id.clone();
    drop(reader);
    server.publish("a", "2").await;
    server.publish("b", "3").await;
    for other in Wire::ALL {
        let mut reader = Reader::open_after(&server, other, "a,b", last.as_deref()).await;
        assert_eq!(reader.control("hello").await["recovered"], true);
        assert_eq!(reader.all_data(2).await, ["2", "3"]);
    }
}

async fn a_history_that_is_too_short_makes_a_gap(wire: Wire) {
    let server = Server::in_memory("[history]\nmessages = 2").await;
    let mut reader = Reader::open(&server, wire, "a").await;
    let hello = reader.control("hello").await;
    drop(reader);
    for text in ["1", "2", "3", "4"] {
        server.publish("a", text).await;
    }
    let mut reader = Reader::open_after(&server, wire, "a", hello["id"].as_str()).await;
    let hello = reader.control("hello").await;
    assert_eq!((&hello["recovered"], &hello["reason"]), (&json!(false), &json!("evicted")));
    let gap = reader.control("gap").await;
    assert_eq!(gap["channel"], "a");
    assert_eq!(
        (&gap["first"], &gap["last"], &gap["certain"]),
        (&json!(1), &json!(2), &json!(true))
    );
    assert!(gap["id"].as_str().is_some_and(|id| id.ends_with("-2")), "{gap}");
    assert_eq!(reader.all_data(2).await, ["3", "4"]);
}

async fn an_id_of_another_epoch_makes_a_gap_and_everything_held_follows(wire: Wire) {
    let server = Server::start().await;
    server.publish("a", "1").await;
    let mut reader = Reader::open_after(&server, wire, "a,b", Some("older-77")).await;
    let hello = reader.control("hello").await;
    assert_eq!((&hello["recovered"], &hello["reason"]), (&json!(false), &json!("epoch")));
    for channel in ["a", "b"] {
        let gap = reader.control("gap").await;
        assert_eq!(gap["channel"], channel);
        assert_eq!((&gap["first"], &gap["last"]), (&json!(null), &json!(null)));
        assert_eq!(gap["certain"], false);
    }
    assert_eq!(reader.data().await, "1");
    let mut alice = Reader::open_after(&server, wire, "a?user=alice", Some("older-77")).await;
    alice.control("hello").await;
    assert_eq!(alice.control("gap").await["channel"], "a");
    assert_eq!(alice.control("gap").await["channel"], "@alice", "her own channel too");
}

async fn since_sets_the_start(wire: Wire) {
    let server = Server::start().await;
    for (channel, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4"), ("b", "5")] {
        server.publish(channel, text).await;
    }
    let cases = [
        ("earliest", &["1", "2", "3", "4", "5"][..]),
        ("1", &["4", "5"]),
        ("2", &["2", "3", "4", "5"]),
        ("latest", &[]),
        ("0", &[]),
    ];
    for (since, expected) in cases {
        let mut reader = Reader::open(&server, wire, &format!("a,b?since={since}")).await;
        assert_eq!(reader.control("hello").await["reason"], "fresh");
        assert_eq!(reader.all_data(expected.len()).await, expected, "since={since}");
        server.publish("c", "elsewhere").await;
        assert!(reader.is_silent_for(Duration::from_millis(30)).await);
    }
}

async fn the_end_of_a_channel_is_replayed_and_ends_the_stream(wire: Wire) {
    let server = Server::start().await;
    let mut live = Reader::open(&server, wire, "a").await;
    let first = live.control("hello").await;
    server.publish("a", "1").await;
    let id = server.publish("a?end=true", "2").await;
    let mut late = Reader::open_after(&server, wire, "a", first["id"].as_str()).await;
    late.control("hello").await;
    for reader in [&mut live, &mut late] {
        assert_eq!(reader.data().await, "1");
        let last = reader.document().await;
        assert_eq!((&last["data"], &last["end"]), (&json!("2"), &json!(true)));
        let goodbye = reader.control("goodbye").await;
        assert_eq!((&goodbye["reason"], &goodbye["reconnect"]), (&json!("ended"), &json!("never")));
        let code = (wire == Wire::Ws).then(|| (1000, "ended".to_owned()));
        assert_eq!(reader.end().await, Event::End(code));
    }
    // Past the end there is nothing to wait for.
    if wire == Wire::Sse {
        let head = format!("GET /sse/a HTTP/1.1\r\nHost: t\r\nLast-Event-ID: {id}");
        assert_eq!(server.request(&head, b"").await.status, 204);
    } else {
        let mut reader = Reader::open_after(&server, wire, "a", Some(&id)).await;
        reader.control("hello").await;
        assert_eq!(reader.control("goodbye").await["reason"], "ended");
    }
    // A later publish opens the channel again.
    server.publish("a", "3").await;
    let mut reader = Reader::open_after(&server, wire, "a", Some(&id)).await;
    reader.control("hello").await;
    assert_eq!(reader.data().await, "3");
}

async fn a_stream_of_two_channels_ends_with_the_second(wire: Wire) {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, wire, "a,b").await;
    reader.control("hello").await;
    server.publish("a?end=true", "1").await;
    server.publish("b", "2").await;
    server.publish("b?end=true", "3").await;
    assert_eq!(reader.all_data(3).await, ["1", "2", "3"]);
    assert_eq!(reader.control("goodbye").await["reason"], "ended");
}

async fn the_first_resume_point_found_wins() {
    let server = Server::start().await;
    let first = server.publish("a", "1").await;
    let second = server.publish("a", "2").await;
    server.publish("a", "3").await;
    let cases = [
        (format!("\r\nLast-Event-ID: {second}"), format!("last_event_id={first}"), vec!["3"]),
        (String::new(), format!("last_event_id={second}&lastEventId={first}"), vec!["2", "3"]),
        (String::new(), format!("lastEventId={first}&since=latest"), vec!["2", "3"]),
        ("\r\nLast-Event-ID: ".to_owned(), format!("last_event_id={first}"), vec!["2", "3"]),
        (String::new(), "since=1&last_event_id=".to_owned(), vec!["3"]),
    ];
    for (field, query, expected) in cases {
        let mut connection = server.connect().await;
        connection.send(format!("GET /chunked/a?{query} HTTP/1.1\r\nHost: t{field}\r\n\r\n")).await;
        assert_eq!(connection.head().await.status, 200, "{query}");
        let mut lines = Vec::new();
        while lines.len() <= expected.len() {
            let chunk = connection.chunk().await.expect("more");
            let text = String::from_utf8(chunk).expect("UTF-8");
            lines.extend(
                text.lines()
                    .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")),
            );
        }
        let data: Vec<_> = lines[1..].iter().map(|line| line["data"].clone()).collect();
        assert_eq!(data, expected, "{field} {query}");
    }
}

async fn a_gap_ends_a_raw_stream() {
    let server = Server::in_memory("[history]\nmessages = 1").await;
    for text in ["1", "2", "3"] {
        server.publish("a", text).await;
    }
    let id = server.get("/history/a").await.json()["id"].as_str().expect("id").replace("-3", "-1");
    let mut connection = server.connect().await;
    let path = format!("/chunked/a?format=raw&last_event_id={id}");
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n")).await;
    assert_eq!(connection.head().await.status, 200);
    let mut rest = connection.buffer.clone();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut connection.socket, &mut rest).await;
    assert!(end.is_ok(), "what was written before is not lost to a reset");
    assert_eq!(rest, b"", "no last chunk: this is not the end of the data");
    let path = format!("/ws/a?format=raw&last_event_id={id}");
    let (mut socket, _) = Reader::handshake(&server, &path).await.expect("opens");
    let close = futures_util::StreamExt::next(&mut socket).await.expect("a frame").expect("reads");
    let tokio_tungstenite::tungstenite::Message::Close(Some(close)) = close else {
        panic!("{close:?}")
    };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (4001, "gap"));
}

tricast_tests::each_wire_and_transport!(
    a_dropped_reader_comes_back_without_a_hole,
    a_reader_that_drops_right_after_hello_loses_nothing,
    a_stream_begun_here_is_resumed_on_every_other_wire,
    a_history_that_is_too_short_makes_a_gap,
    an_id_of_another_epoch_makes_a_gap_and_everything_held_follows,
    since_sets_the_start,
    the_end_of_a_channel_is_replayed_and_ends_the_stream,
    a_stream_of_two_channels_ends_with_the_second
);

tricast_tests::each_delivery_and_transport!(
    the_first_resume_point_found_wins,
    a_gap_ends_a_raw_stream
);
