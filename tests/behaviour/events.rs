//! Events for the user's own service: in order, at least once, and no loss in silence.

use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};
use tricast_tests::{Backend, Reader, Reply, SECRET, Server, Wire, eventually, stream_head};

const ALL: &[&str] = &["connected", "disconnected", "online", "gone"];

/// A gateway that reports `on` to `backend`. `more` is appended to [events], and may open further
/// sections. The service has a minute for each call: a call that is given up is repeated.
async fn server(backend: &Backend, on: &[&str], more: &str) -> Server {
    let default = |name: &str, value: &str| match more.contains(name) {
        true => String::new(),
        false => format!("{name} = \"{value}\"\n"),
    };
    let (interval, timeout) = (default("interval", "20ms"), default("timeout", "1m"));
    let url = backend.url();
    Server::with(&format!("[events]\nurl = \"{url}\"\non = {on:?}\n{interval}{timeout}{more}"))
        .await
}

/// A service that takes everything.
async fn accepting_backend() -> Backend {
    Backend::start(|_| Reply::Status(204, String::new())).await
}

/// The events reported so far, each number once.
fn reported(backend: &Backend) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    for batch in backend.asked() {
        for event in batch["events"].as_array().expect("a list") {
            if events.iter().all(|known| known["seq"] != event["seq"]) {
                events.push(event.clone());
            }
        }
    }
    let numbers: Vec<_> =
        events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "in order, without a hole");
    events
}

async fn all_reported(backend: &Backend, count: usize) -> Vec<Value> {
    eventually("all is told", async || (reported(backend).len() >= count).then_some(())).await;
    let events = reported(backend);
    assert_eq!(events.len(), count, "{events:?}");
    events
}

/// An event in short.
fn summary(event: &Value) -> String {
    let rest = ["channel", "connection", "count"].iter().filter_map(|name| match &event[name] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    let name = event["event"].as_str().expect("text").to_owned();
    std::iter::once(name).chain(rest).collect::<Vec<_>>().join(" ")
}

fn summaries(events: &[Value]) -> Vec<String> {
    events.iter().map(summary).collect()
}

async fn a_stream_is_reported_from_connected_to_disconnected(wire: Wire) {
    let backend = accepting_backend().await;
    let server = server(&backend, ALL, "").await;
    let mut reader = Reader::open(&server, wire, "a,b?user=alice").await;
    let hello = reader.control("hello").await;
    let events = all_reported(&backend, 4).await;
    assert_eq!(summaries(&events), ["online a", "online b", "online @alice", "connected 1"]);
    let now = tricast_core::unix_millis();
    let connected = json!({
        "event": "connected", "seq": 4, "time": events[3]["time"], "connection": 1,
        "wire": wire.name(), "channels": ["a", "b"], "user": "alice",
    });
    assert_eq!(events[3], connected);
    assert!((now - 10_000..=now).contains(&events[3]["time"].as_u64().expect("a time")));
    let epoch = hello["id"].as_str().and_then(|id| id.split('-').next()).expect("an epoch");
    let lives: HashSet<String> =
        backend.asked().iter().map(|batch| batch["epoch"].to_string()).collect();
    assert_eq!(lives.len(), 1, "one life");
    assert!(!lives.contains(&format!("\"{epoch}\"")), "not that of the log, which may live on");
    drop(reader);
    let events = all_reported(&backend, 8).await;
    assert_eq!(summaries(&events)[4..], ["gone a", "gone b", "gone @alice", "disconnected 1"]);
    assert_eq!(server.metric("tricast_events_delivered_total").await, 8.0);
}

/// The reason of a `disconnected` event is that of the metrics.
async fn a_stream_is_reported_with_the_reason_of_its_end(wire: Wire) {
    let backend = accepting_backend().await;
    let server = server(&backend, &["connected", "disconnected"], "").await;
    let mut left = Reader::open(&server, wire, "a").await;
    left.control("hello").await;
    drop(left);
    all_reported(&backend, 2).await;
    let mut cut = Reader::open(&server, wire, "a").await;
    cut.control("hello").await;
    cut.reset();
    all_reported(&backend, 4).await;
    let mut ended = Reader::open(&server, wire, "a").await;
    ended.control("hello").await;
    server.publish("a?end=true", "over").await;
    ended.data().await;
    ended.control("goodbye").await;
    let reasons: Vec<_> =
        all_reported(&backend, 6).await.iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(json!(reasons), json!([null, "left", null, "cut", null, "ended"]));
}

async fn the_first_and_the_last_count(wire: Wire) {
    let backend = accepting_backend().await;
    let server = server(&backend, &["online", "gone"], "").await;
    for count in [2, 4] {
        let mut crowd = Vec::new();
        for _ in 0..5 {
            crowd.push(Reader::open(&server, wire, "a").await);
        }
        crowd.into_iter().for_each(Reader::reset);
        // A user that returns before the report has not gone.
        all_reported(&backend, count).await;
    }
    assert_eq!(summaries(&reported(&backend)), ["online a", "gone a", "online a", "gone a"]);
}

async fn a_refused_client_is_not_reported(wire: Wire) {
    let backend = accepting_backend().await;
    let server = server(
        &backend,
        ALL,
        "[[namespace]]\npattern = \"closed\"\nsubscribe = \"nobody\"\n[limits]\nconnections = 1",
    )
    .await;
    server.request(&stream_head(wire, "closed"), b"").await;
    server.request(&stream_head(wire, "a?since=x"), b"").await;
    let _reader = Reader::open(&server, wire, "a").await;
    server.request(&stream_head(wire, "b"), b"").await;
    let events = all_reported(&backend, 2).await;
    assert_eq!(summaries(&events), ["online a", "connected 1"]);
}

/// Events of streams that end in the shutdown are reported before the shutdown ends.
async fn the_last_events_arrive_before_the_shutdown_ends(wire: Wire) {
    let backend = accepting_backend().await;
    let server = server(&backend, ALL, "interval = \"1h\"\n[shutdown]\ngrace = \"3s\"").await;
    let mut reader = Reader::open(&server, wire, "a").await;
    reader.control("hello").await;
    assert_eq!(backend.calls().len(), 0, "they wait for more");
    let down = tokio::spawn(server.gateway.shutdown());
    reader.control("goodbye").await;
    reader.end().await;
    drop(reader);
    assert!(down.await.expect("goes down"));
    assert_eq!(
        summaries(&reported(&backend)),
        ["online a", "connected 1", "gone a", "disconnected 1"]
    );
}

/// After the end of its channel a reader is not subscribed, so nobody was online.
async fn a_reader_of_an_ended_channel_connects_and_disconnects(wire: Wire) {
    let backend = accepting_backend().await;
    let server = server(&backend, &["online", "gone"], "").await;
    let id = server.publish("a?end=true", "x").await;
    let head = format!("{}\r\nLast-Event-ID: {id}", stream_head(wire, "a"));
    let mut connection = server.connect().await;
    connection.send(format!("{head}\r\n\r\n")).await;
    connection.head().await;
    assert_eq!(summaries(&all_reported(&backend, 2).await), ["online a", "gone a"]);
}

async fn subscriptions_by_command_are_reported_too() {
    let backend = accepting_backend().await;
    let server = server(&backend, ALL, "").await;
    let mut reader = Reader::open(&server, Wire::Ws, "a").await;
    reader.control("hello").await;
    for command in
        [r#"{"type":"subscribe","channel":"b"}"#, r#"{"type":"unsubscribe","channel":"a"}"#]
    {
        reader.send(command).await;
        reader.control("ack").await;
    }
    let events = all_reported(&backend, 4).await;
    assert_eq!(summaries(&events), ["online a", "connected 1", "online b", "gone a"]);
}

/// A new token makes no new stream.
async fn a_renewed_stream_ends_once() {
    let backend = accepting_backend().await;
    let tokens = format!("[tokens]\nsecret = \"{SECRET}\"");
    let server = server(&backend, &["connected", "disconnected"], &tokens).await;
    let token = || tricast_tests::token("alice", &["a"], &[]);
    let mut reader = Reader::open(&server, Wire::Ws, &format!("a?token={}", token())).await;
    reader.control("hello").await;
    reader.send(&json!({"type": "renew", "token": token()}).to_string()).await;
    reader.control("ack").await;
    assert_eq!(summaries(&all_reported(&backend, 1).await), ["connected 1"]);
    drop(reader);
    assert_eq!(summaries(&all_reported(&backend, 2).await), ["connected 1", "disconnected 1"]);
}

async fn only_the_configured_events_are_sent_and_each_is_signed() {
    let backend = accepting_backend().await;
    let server = server(&backend, &["gone"], &format!("secret = \"{SECRET}\"")).await;
    drop(Reader::open(&server, Wire::Sse, "a").await);
    assert_eq!(summaries(&all_reported(&backend, 1).await), ["gone a"]);
    let call = &backend.calls()[0];
    assert!(call.fields["tricast-signature"].starts_with("t="), "{call:?}");
    assert_eq!(call.fields["content-type"], "application/json");
}

async fn events_of_one_moment_are_sent_in_one_batch() {
    let backend = accepting_backend().await;
    let server = server(&backend, &["online"], "batch = 3\ninterval = \"1h\"").await;
    let channels: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    let _reader = Reader::open(&server, Wire::Chunked, &channels.join(",")).await;
    all_reported(&backend, 6).await;
    let sizes: Vec<_> =
        backend.asked().iter().map(|batch| batch["events"].as_array().map(Vec::len)).collect();
    assert_eq!(sizes, [Some(3), Some(3)], "whole batches at once");
}

async fn a_batch_is_retried_until_it_is_accepted_and_nothing_overtakes_it() {
    let mut tries = 0;
    let backend = Backend::start(move |_| {
        tries += 1;
        match tries {
            1 => Reply::Status(500, String::new()),
            2 => Reply::HangUp,
            3 => Reply::Nothing,
            _ => Reply::Status(200, "thank you".to_owned()),
        }
    })
    .await;
    let server = server(&backend, &["online"], "timeout = \"200ms\"").await;
    let _first = Reader::open(&server, Wire::Sse, "a").await;
    eventually("it was tried", async || (!backend.calls().is_empty()).then_some(())).await;
    let _second = Reader::open(&server, Wire::Sse, "b").await;
    assert_eq!(summaries(&all_reported(&backend, 2).await), ["online a", "online b"]);
    // A service that is slow to say its thanks is called once more.
    let asked = backend.asked();
    let tries = asked.iter().take_while(|batch| **batch == asked[0]).count();
    assert!(tries >= 4, "the same again: {asked:?}");
    let others = &asked[tries..];
    assert!(others.iter().all(|batch| *batch == others[0]), "nothing overtakes it: {asked:?}");
    let failed = server.metric("tricast_events_failed_batches_total").await;
    assert!(failed >= 3.0, "{failed}");
}

async fn events_that_did_not_fit_are_reported_as_lost() {
    let backend = Backend::start(|_| Reply::Status(503, String::new())).await;
    let more = "batch = 2\nqueue = 2\n[limits]\nchannels_per_connection = 2";
    let server = server(&backend, &["online"], more).await;
    let mut readers = vec![Reader::open(&server, Wire::Sse, "a").await];
    eventually("the first is under way", async || (!backend.calls().is_empty()).then_some(()))
        .await;
    for channel in ["b", "c", "d", "e", "f"] {
        readers.push(Reader::open(&server, Wire::Sse, channel).await);
    }
    assert_eq!(server.metric("tricast_events_lost_total").await, 3.0);
    backend.always(Reply::Status(204, String::new()));
    let events = all_reported(&backend, 4).await;
    assert_eq!(summaries(&events), ["online a", "online b", "online c", "lost 3"]);
    readers.push(Reader::open(&server, Wire::Sse, "g").await);
    assert_eq!(summary(&all_reported(&backend, 5).await[4]), "online g");
}

/// The service is away: the gateway shuts down all the same.
async fn a_service_that_is_away_does_not_hold_up_the_end() {
    let backend = Backend::start(|_| Reply::Nothing).await;
    let server = server(&backend, ALL, "timeout = \"1h\"\n[shutdown]\ngrace = \"1s\"").await;
    drop(Reader::open(&server, Wire::Sse, "a").await);
    eventually("it is tried", async || (!backend.calls().is_empty()).then_some(())).await;
    let down = tokio::time::timeout(Duration::from_secs(8), server.gateway.shutdown()).await;
    assert!(down.expect("in time"));
}

/// A batch that the service does not take would keep all that follow from coming.
async fn a_batch_that_is_too_large_is_split() {
    let backend = Backend::start(|call| match call.body.len() {
        0..=2000 => Reply::Status(204, String::new()),
        _ => Reply::Status(413, String::new()),
    })
    .await;
    let server = server(&backend, &["connected"], "interval = \"200ms\"").await;
    let long: Vec<String> = (0..30).map(|n| format!("{n}-{}", "x".repeat(100))).collect();
    let mut readers = Vec::new();
    for target in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
        readers.push(Reader::open(&server, Wire::Chunked, target).await);
    }
    readers.push(Reader::open(&server, Wire::Chunked, &long.join(",")).await);
    readers.push(Reader::open(&server, Wire::Chunked, "last").await);
    let events = eventually("the last has come", async || {
        let taken = backend.calls().into_iter().filter(|call| call.body.len() <= 2000);
        let lists = taken.map(|call| call.json()["events"].as_array().expect("a list").clone());
        let events: Vec<Value> = lists.flatten().collect();
        events
            .iter()
            .any(|event| event["channels"] == serde_json::json!(["last"]))
            .then_some(events)
    })
    .await;
    let seqs: Vec<u64> =
        events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert_eq!(seqs, (1..=14).collect::<Vec<u64>>(), "each once, in order: {events:?}");
    assert_eq!(events[12]["event"], "lost", "what can never come is told");
}

tricast_tests::each_wire!(
    a_stream_is_reported_from_connected_to_disconnected,
    a_stream_is_reported_with_the_reason_of_its_end,
    the_first_and_the_last_count,
    a_refused_client_is_not_reported,
    the_last_events_arrive_before_the_shutdown_ends
);

tricast_tests::each_http_wire!(a_reader_of_an_ended_channel_connects_and_disconnects);

tricast_tests::each_delivery!(
    subscriptions_by_command_are_reported_too,
    a_renewed_stream_ends_once,
    only_the_configured_events_are_sent_and_each_is_signed,
    events_of_one_moment_are_sent_in_one_batch,
    a_batch_is_retried_until_it_is_accepted_and_nothing_overtakes_it,
    events_that_did_not_fit_are_reported_as_lost,
    a_service_that_is_away_does_not_hold_up_the_end,
    a_batch_that_is_too_large_is_split
);
