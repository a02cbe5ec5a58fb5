//! Readers that come in the middle of an answer, or that have missed a part of it.

use serde_json::{Value, json};
use tricast_tests::{Reader, Server, Upstream, UpstreamCall, Wire, each_wire};

use super::*;

/// So many deltas, of so many bytes, that the older half leaves the ring, and some of the other.
const MANY: usize = 400;
const LONG: usize = 400;

/// The text of the only run in a snapshot.
fn text_of(snapshot: &Value) -> &str {
    let runs = snapshot["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 1, "{snapshot}");
    runs[0]["choices"][0]["message"]["content"].as_str().expect("a text")
}

/// Streams words of `length` bytes, and waits until `reader` has each of them, so that each is a
/// delta of its own; returns their text.
async fn write(
    call: &mut UpstreamCall,
    reader: &mut Reader,
    (words, length): (usize, usize),
) -> String {
    let mut text = String::new();
    while text.len() < words * length {
        let word = format!("{:length$}", text.len());
        call.delta(&word).await;
        text.push_str(&word);
        let mut heard = String::new();
        while heard.is_empty() {
            let document = reader.document().await;
            let delta = &document["data"]["choices"][0]["delta"]["content"];
            heard.push_str(delta.as_str().unwrap_or_default());
        }
        assert_eq!(heard, word);
    }
    text
}

async fn publish(server: &Server, data: &str) -> String {
    let head = format!("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: {}", data.len());
    let answer = server.request(&head, data.as_bytes()).await;
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn a_reload_in_the_middle_costs_one_message(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let mut witness = Reader::open(&server, Wire::Chunked, "a").await;
    witness.control("hello").await;
    let run = start(&server, "/a", "", "Go on").await;
    let mut call = upstream.call().await;
    call.begin().await;
    let mut text = write(&mut call, &mut witness, (20, 5)).await;
    publish(&server, "between").await;

    let mut late = Reader::open(&server, wire, "a?since=compact").await;
    late.control("hello").await;
    let documents = [late.document().await, late.document().await, late.document().await];
    let events: Vec<_> = documents.iter().map(|it| it["event"].as_str().unwrap_or("-")).collect();
    assert_eq!(events[0], "tricast.llm.start");
    let snapshot = documents.iter().find(|it| it["event"] == "tricast.llm.snapshot");
    let snapshot = snapshot.unwrap_or_else(|| panic!("{events:?}"));
    let between = documents.iter().find(|it| it["data"] == "between");
    assert!(between.is_some(), "{events:?}");
    assert_eq!(text_of(&snapshot["data"]), text);
    assert_eq!(snapshot["data"]["runs"][0]["run"], run.as_str());
    assert_eq!(snapshot["data"]["runs"][0]["model"], "m");

    call.delta("more").await;
    let (event, delta) = next(&mut late).await;
    assert_eq!((event.as_str(), &delta["choices"][0]["at"]), ("delta", &json!(text.len())));
    text.push_str("more");
    call.finish().await;
    let (event, end) = next(&mut late).await;
    assert_eq!((event.as_str(), content(&end)), ("end", text.as_str()));
    let history = server.get("/history/a?since=compact").await.json();
    let messages = history["messages"].as_array().expect("messages");
    let events: Vec<_> = messages.iter().map(|it| it["event"].as_str().unwrap_or("-")).collect();
    assert_eq!(events, ["tricast.llm.start", "message", "tricast.llm.end"], "{history}");
}

async fn missed_deltas_are_a_snapshot_and_push_nothing_out(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = server(&upstream, &format!("{OPEN}[history]\nmessages = 4\n")).await;
    let mut witness = Reader::open(&server, Wire::Chunked, "a").await;
    witness.control("hello").await;
    let first = publish(&server, "one").await;
    publish(&server, "two").await;
    start(&server, "/a", "", "Go on").await;
    let mut call = upstream.call().await;
    call.begin().await;
    let text = write(&mut call, &mut witness, (MANY, LONG)).await;
    publish(&server, "three").await;

    let mut reader = Reader::open(&server, wire, &format!("a?last_event_id={first}")).await;
    let hello = reader.control("hello").await;
    assert_eq!(hello["recovered"], true, "{hello}");
    assert_eq!(reader.document().await["data"], "two");
    assert_eq!(next(&mut reader).await.0, "start");
    let (event, snapshot) = next(&mut reader).await;
    assert_eq!(event, "snapshot", "{snapshot}");
    let mut read = text_of(&snapshot).to_owned();
    assert!(text.starts_with(&read) && read.len() > text.len() / 4, "{} bytes", read.len());
    loop {
        let document = reader.document().await;
        if document["data"] == "three" {
            break;
        }
        let choice = &document["data"]["choices"][0];
        assert_eq!(choice["at"], read.len(), "{document}");
        read += choice["delta"]["content"].as_str().expect("a text");
    }
    assert_eq!(read, text);
    let counted = format!("tricast_snapshots_total{{wire=\"{}\"}}", wire.name());
    assert_eq!(server.metric(&counted).await, 1.0);
    let gaps = format!("tricast_gaps_total{{wire=\"{}\"}}", wire.name());
    assert_eq!(server.metric(&gaps).await, 0.0);
    call.finish().await;
    let (event, end) = next(&mut reader).await;
    assert_eq!((event.as_str(), content(&end)), ("end", text.as_str()));
}

#[tokio::test]
async fn a_raw_stream_cannot_be_compact() {
    let server = Server::start().await;
    for target in ["/chunked/a", "/ws/a"] {
        let answer = server.get(&format!("{target}?format=raw&since=compact")).await;
        assert_eq!(answer.status, if target == "/ws/a" { 426 } else { 400 }, "{answer:?}");
    }
}

each_wire!(
    a_reload_in_the_middle_costs_one_message,
    missed_deltas_are_a_snapshot_and_push_nothing_out,
);
