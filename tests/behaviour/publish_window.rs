//! Publishing with an engine that settles late: the window of a stream of JSON lines, and what its
//! publisher learns of a failure in the middle.

use serde_json::{Value, json};
use tricast_tests::{Answer, Connection, Fate, HeldEngine, Reader, Server, Wire, eventually};

/// The most messages of one stream in flight.
const WINDOW: usize = 1024;

/// Begins a request whose JSON lines the test sends one by one.
async fn begin_lines(server: &Server, target: &str) -> Connection {
    let mut publisher = server.connect().await;
    let head = format!(
        "POST /publish/{target} HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    publisher.send(head).await;
    publisher
}

/// Sends the lines of these numbers, all in one chunk.
async fn send_lines(publisher: &mut Connection, numbers: std::ops::RangeInclusive<u32>) {
    let lines: String = numbers.map(|number| format!("{number}\n")).collect();
    publisher.send(format!("{:x}\r\n{lines}\r\n", lines.len())).await;
}

async fn answer(mut publisher: Connection) -> Answer {
    let head = publisher.head().await;
    let body = match head.content_length() {
        Some(length) => publisher.take(length).await,
        None => publisher.chunk().await.expect("a body"),
    };
    Answer { status: head.status, fields: head.fields, body }
}

async fn in_flight(engine: &HeldEngine, count: usize) {
    eventually("the messages are in flight", async || (engine.in_flight() == count).then_some(()))
        .await;
}

/// What readers of `channel` have received.
async fn received(server: &Server, channel: &str) -> Vec<Value> {
    let history = server.get(&format!("/history/{channel}")).await.json();
    let messages = history["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["data"].clone()).collect()
}

async fn a_body_is_read_while_the_window_has_room() {
    const LINES: u32 = 3000;
    let (server, engine) = Server::with_held_engine("").await;
    let mut publisher = begin_lines(&server, "a").await;
    send_lines(&mut publisher, 1..=LINES).await;
    publisher.send("0\r\n\r\n").await;
    in_flight(&engine, WINDOW).await;
    assert_eq!(received(&server, "a").await, Vec::<Value>::new());
    assert_eq!(engine.in_flight(), WINDOW, "the next line waits");
    // Each message that settles makes room for one.
    for settled in 1..=10 {
        engine.settle(Fate::Published);
        eventually("the next line is sent", async || {
            (engine.sent().len() == WINDOW + settled).then_some(())
        })
        .await;
    }
    engine.settle_from_now_on(Fate::Published);
    let answer = answer(publisher).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["published"], LINES);
    assert_eq!(engine.sent(), (1..=LINES).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(server.metric("tricast_published_messages_total").await, f64::from(LINES));
}

async fn the_window_is_bounded_in_bytes_too() {
    let (server, engine) = Server::with_held_engine("").await;
    let mut publisher = begin_lines(&server, "a").await;
    let line = format!("\"{}\"\n", "x".repeat(100_000));
    for _ in 0..5 {
        publisher.send(format!("{:x}\r\n{line}\r\n", line.len())).await;
    }
    in_flight(&engine, 2).await;
    // One message that is larger than the window is sent alone.
    let large = format!("\"{}\"\n", "x".repeat(500_000));
    let sent = tokio::spawn(async move {
        publisher.send(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await;
        publisher
    });
    for _ in 0..3 {
        engine.settle(Fate::Published);
        in_flight(&engine, 2).await;
    }
    engine.settle(Fate::Published);
    in_flight(&engine, 1).await;
    engine.settle(Fate::Published);
    eventually("the large one is sent", async || (engine.sent().len() == 6).then_some(())).await;
    engine.settle(Fate::Published);
    let answer = answer(sent.await.expect("sends")).await;
    assert_eq!(answer.json()["published"], 6);
}

/// The problem has the first line that is not confirmed; what is known of later ones is in
/// `unsettled`.
async fn after_a_failure_nothing_more_is_sent_and_what_is_in_flight_settles() {
    for (fate, kind, published) in [
        (Fate::Full, "log-full", false),
        (Fate::UnknownLost, "outcome-unknown", false),
        (Fate::UnknownPublished, "outcome-unknown", true),
    ] {
        let (server, engine) = Server::with_held_engine("").await;
        let mut reader = Reader::open(&server, Wire::Sse, "a").await;
        reader.control("hello").await;
        let mut publisher = begin_lines(&server, "a?end=true").await;
        send_lines(&mut publisher, 1..=10).await;
        in_flight(&engine, 10).await;
        for _ in 1..=3 {
            engine.settle(Fate::Published);
        }
        engine.settle(fate);
        send_lines(&mut publisher, 11..=20).await;
        for later in [Fate::Published, Fate::UnknownLost, Fate::UnknownPublished, Fate::Full] {
            engine.settle(later);
        }
        engine.settle_from_now_on(Fate::Full);
        let answer = answer(publisher).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, kind));
        assert_eq!(answer.fields["retry-after"], "1");
        let problem = answer.json();
        assert_eq!(problem["line"], 4, "{problem}");
        assert_eq!(problem["published"], 3, "{problem}");
        assert_eq!(problem["unsettled"], json!([5, 6, 7]), "{problem}");
        let sent: Vec<String> = (1..=10).map(|number| number.to_string()).collect();
        assert_eq!(engine.sent(), sent, "and no end of the channel");
        let expected: &[u32] = if published { &[1, 2, 3, 4, 5, 7] } else { &[1, 2, 3, 5, 7] };
        assert_eq!(reader.all_data(expected.len()).await, expected);
        let first = server.get("/history/a").await.json()["messages"][0]["id"].clone();
        assert_eq!(problem["first"], first);
        let refusals = format!("tricast_refusals_total{{reason=\"{kind}\"}}");
        assert_eq!(server.metric(&refusals).await, 1.0);
        // A published message whose publisher does not know that is not counted as published.
        assert_eq!(server.metric("tricast_published_messages_total").await, 4.0);
    }
}

async fn a_bad_line_is_reported_after_what_is_in_flight_has_settled() {
    let (server, engine) = Server::with_held_engine("").await;
    let body = b"1\n2\n\n3\n{bad\n5\n";
    let post = || server.post("/publish/a", "application/x-ndjson", body);
    let settle = async |fates: [Fate; 3]| {
        in_flight(&engine, 3).await;
        fates.into_iter().for_each(|fate| engine.settle(fate));
    };
    let (answer, ()) = tokio::join!(post(), settle([Fate::Published; 3]));
    assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-json"));
    let problem = answer.json();
    assert_eq!((&problem["line"], &problem["published"]), (&json!(5), &json!(3)));
    assert_eq!(problem["unsettled"], json!([]));
    // The first line that is not confirmed decides.
    let fates = [Fate::Published, Fate::Full, Fate::Published];
    let (answer, ()) = tokio::join!(post(), settle(fates));
    assert_eq!((answer.status, answer.problem().as_str()), (503, "log-full"));
    let problem = answer.json();
    assert_eq!((&problem["line"], &problem["published"]), (&json!(2), &json!(1)));
    assert_eq!(problem["unsettled"], json!([4]));
    assert_eq!(received(&server, "a").await, [1, 2, 3, 1, 3]);
}

async fn a_drain_waits_for_what_is_in_flight() {
    let (server, engine) = Server::with_held_engine("[shutdown]\ngrace = \"20s\"").await;
    let mut publisher = begin_lines(&server, "a").await;
    send_lines(&mut publisher, 1..=3).await;
    in_flight(&engine, 3).await;
    let down = tokio::spawn(server.gateway.shutdown());
    engine.settle_from_now_on(Fate::Published);
    let answer = answer(publisher).await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "draining"));
    let problem = answer.json();
    assert_eq!((&problem["line"], &problem["published"]), (&json!(4), &json!(3)));
    assert!(down.await.expect("goes down"));
}

async fn a_single_message_is_answered_once_it_has_settled() {
    let (server, engine) = Server::with_held_engine("").await;
    let post = async |id: &str, fate| {
        let settled = async {
            in_flight(&engine, 1).await;
            engine.settle(fate);
        };
        let path = format!("/publish/a?id={id}");
        tokio::join!(server.post(&path, "application/json", b"1"), settled).0
    };
    let full = post("full", Fate::Full).await;
    assert_eq!((full.status, full.problem().as_str()), (503, "log-full"));
    assert_eq!(full.fields["retry-after"], "1");
    // It may have been published: a repeat with the same id publishes it once.
    for (fate, id, duplicate) in
        [(Fate::UnknownLost, "lost", None), (Fate::UnknownPublished, "published", Some(true))]
    {
        let unknown = post(id, fate).await;
        assert_eq!((unknown.status, unknown.problem().as_str()), (503, "outcome-unknown"));
        assert_eq!(unknown.fields["retry-after"], "1");
        let detail = unknown.json()["detail"].as_str().expect("text").to_owned();
        assert!(detail.contains("with the same id"), "{detail}");
        let repeat = post(id, Fate::Published).await;
        assert_eq!(repeat.status, 200, "{repeat:?}");
        assert_eq!(repeat.json().get("duplicate").and_then(Value::as_bool), duplicate);
    }
    assert_eq!(received(&server, "a").await, [1, 1], "each id once");
}

tricast_tests::each_delivery_and_transport!(
    a_body_is_read_while_the_window_has_room,
    the_window_is_bounded_in_bytes_too,
    after_a_failure_nothing_more_is_sent_and_what_is_in_flight_settles,
    a_bad_line_is_reported_after_what_is_in_flight_has_settled,
    a_drain_waits_for_what_is_in_flight,
    a_single_message_is_answered_once_it_has_settled
);
