//! Publishing on a WebSocket with an engine that settles late: a window of commands, whose answers
//! leave in their order.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tricast_tests::{Connection, Event, Fate, HeldEngine, Reader, Server, Wire, eventually};

/// The most publishes of one connection in flight.
const WINDOW: usize = 64;

async fn open(server: &Server) -> Reader {
    let mut me = Reader::open(server, Wire::Ws, "a").await;
    me.control("hello").await;
    me
}

async fn publish(me: &mut Reader, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let command = json!({"data": number, "skip_self": true, "ref": number});
        me.send(&command.to_string()).await;
    }
}

async fn in_flight(engine: &HeldEngine, count: usize) {
    eventually("the messages are in flight", async || (engine.in_flight() == count).then_some(()))
        .await;
}

/// What readers of the channel have received.
async fn received(server: &Server) -> Vec<Value> {
    let history = server.get("/history/a").await.json();
    let messages = history["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["data"].clone()).collect()
}

/// The next answer: its `ref`, and its error's type if it is one.
async fn answer(me: &mut Reader) -> (Value, Option<String>) {
    loop {
        let document = me.document().await;
        match document["event"].as_str() {
            Some("tricast.ack") => return (document["ref"].clone(), None),
            Some("tricast.error") => {
                let urn = document["type"].as_str().expect("a type").to_owned();
                return (document["ref"].clone(), Some(urn));
            }
            _ => {}
        }
    }
}

async fn commands_are_read_while_the_window_has_room() {
    let (server, engine) = Server::with_held_engine("").await;
    let mut me = open(&server).await;
    publish(&mut me, 0..200).await;
    in_flight(&engine, WINDOW).await;
    assert_eq!(received(&server).await, Vec::<Value>::new());
    assert_eq!(engine.in_flight(), WINDOW, "the next command waits");
    for settled in 1..=10 {
        engine.settle(Fate::Published);
        assert_eq!(answer(&mut me).await, (json!(settled - 1), None));
        in_flight(&engine, WINDOW).await;
    }
    engine.settle_from_now_on(Fate::Published);
    for number in 10..200 {
        assert_eq!(answer(&mut me).await, (json!(number), None));
    }
    assert_eq!(engine.sent(), (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(server.metric("tricast_published_messages_total").await, 200.0);
}

async fn the_window_is_bounded_in_bytes_too() {
    let (server, engine) = Server::with_held_engine("").await;
    let mut me = open(&server).await;
    let data = "x".repeat(100_000);
    for number in 0..5 {
        me.send(&json!({"data": data, "skip_self": true, "ref": number}).to_string()).await;
    }
    for waiting in (3..=5).rev() {
        in_flight(&engine, 2).await;
        assert_eq!(engine.sent().len(), 7 - waiting);
        engine.settle(Fate::Published);
    }
    engine.settle_from_now_on(Fate::Published);
    for number in 0..5 {
        assert_eq!(answer(&mut me).await, (json!(number), None));
    }
}

/// Also the answers to commands that were refused at once.
async fn a_refused_publish_gets_its_error_in_order_and_later_ones_go_on() {
    let (server, engine) = Server::with_held_engine("").await;
    let mut me = open(&server).await;
    publish(&mut me, 0..3).await;
    me.send(r#"{"data":1,"colour":"red","ref":3}"#).await;
    publish(&mut me, 4..6).await;
    in_flight(&engine, 5).await;
    for fate in [Fate::Published, Fate::Full, Fate::Published, Fate::Published, Fate::Published] {
        engine.settle(fate);
    }
    for (reference, kind) in [
        (0, None),
        (1, Some("log-full")),
        (2, None),
        (3, Some("unknown-field")),
        (4, None),
        (5, None),
    ] {
        let kind = kind.map(|kind| format!("urn:tricast:{kind}"));
        assert_eq!(answer(&mut me).await, (json!(reference), kind));
    }
    assert_eq!(received(&server).await, [0, 2, 4, 5]);
    assert_eq!(server.metric("tricast_refusals_total{reason=\"log-full\"}").await, 1.0);
}

/// What is in flight may be published before or after it, and what comes later must not.
async fn after_an_unknown_outcome_everything_settles_first() {
    for (fate, published) in
        [(Fate::UnknownLost, &[0, 2, 3][..]), (Fate::UnknownPublished, &[0, 1, 2, 3][..])]
    {
        let (server, engine) = Server::with_held_engine("").await;
        let mut me = open(&server).await;
        publish(&mut me, 0..3).await;
        in_flight(&engine, 3).await;
        engine.settle(Fate::Published);
        engine.settle(fate);
        let unknown = Some("urn:tricast:outcome-unknown".to_owned());
        assert_eq!(answer(&mut me).await, (json!(0), None));
        assert_eq!(answer(&mut me).await, (json!(1), unknown));
        publish(&mut me, 3..4).await;
        assert_eq!(received(&server).await.len(), published.len() - 2);
        assert_eq!(engine.sent(), ["0", "1", "2"], "the last one is still in flight");
        engine.settle(Fate::Published);
        assert_eq!(answer(&mut me).await, (json!(2), None));
        in_flight(&engine, 1).await;
        engine.settle(Fate::Published);
        assert_eq!(answer(&mut me).await, (json!(3), None));
        assert_eq!(received(&server).await, published);
    }
}

async fn another_command_waits_for_the_publishes_before_it() {
    let (server, engine) = Server::with_held_engine("").await;
    let mut me = open(&server).await;
    publish(&mut me, 0..2).await;
    me.send(r#"{"type":"history","ref":"history"}"#).await;
    publish(&mut me, 2..3).await;
    in_flight(&engine, 2).await;
    engine.settle(Fate::Published);
    assert_eq!(answer(&mut me).await, (json!(0), None));
    assert_eq!(engine.sent().len(), 2);
    engine.settle(Fate::Published);
    assert_eq!(answer(&mut me).await, (json!(1), None));
    let history = me.control("ack").await;
    assert_eq!(history["ref"], "history");
    assert_eq!(history["history"]["messages"].as_array().map(Vec::len), Some(2));
    in_flight(&engine, 1).await;
    engine.settle(Fate::Published);
    assert_eq!(answer(&mut me).await, (json!(2), None));
}

/// Each command before a close frame is answered, and then the close frame is.
async fn a_client_that_closes_gets_its_answers() {
    let (server, engine) = Server::with_held_engine("").await;
    let (mut socket, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
    for number in 0..3 {
        let command = json!({"data": number, "skip_self": true, "ref": number}).to_string();
        socket.send(Message::text(command)).await.expect("sends");
    }
    in_flight(&engine, 3).await;
    socket.send(Message::Close(None)).await.expect("sends");
    engine.settle_from_now_on(Fate::Published);
    let (mut answers, mut closed) = (Vec::new(), false);
    while let Some(Ok(message)) = socket.next().await {
        assert!(!closed, "nothing follows the close frame");
        match message {
            Message::Text(text) => {
                let document: Value = serde_json::from_str(&text).expect("JSON");
                if document["event"] == "tricast.ack" {
                    answers.push(document["ref"].clone());
                }
            }
            Message::Close(_) => closed = true,
            _ => {}
        }
    }
    assert_eq!((answers, closed), (vec![json!(0), json!(1), json!(2)], true));
}

/// A publisher that has left is not answered; its messages are published and counted.
async fn what_a_client_that_has_left_has_published_is_counted() {
    let (server, engine) = Server::with_held_engine("").await;
    let mut me = open(&server).await;
    publish(&mut me, 0..5).await;
    in_flight(&engine, 5).await;
    drop(me);
    eventually("it has left", async || (server.gateway.connections() == 0).then_some(())).await;
    engine.settle_from_now_on(Fate::Published);
    eventually("they are counted", async || {
        (server.metric("tricast_published_messages_total").await == 5.0).then_some(())
    })
    .await;
}

async fn a_drain_lets_the_answers_come_first() {
    let (server, engine) = Server::with_held_engine("[shutdown]\ngrace = \"20s\"").await;
    let address = server.gateway.address().expect("one in clear");
    let mut me = open(&server).await;
    publish(&mut me, 0..3).await;
    in_flight(&engine, 3).await;
    let down = tokio::spawn(server.gateway.shutdown());
    eventually("the gateway drains", async || {
        let mut other = Connection::open(address).await;
        other.send("GET /chunked/b HTTP/1.1\r\nHost: t\r\n\r\n").await;
        (other.head().await.status == 503).then_some(())
    })
    .await;
    assert_eq!(engine.sent(), ["0", "1", "2"]);
    engine.settle_from_now_on(Fate::Published);
    for number in 0..3 {
        assert_eq!(answer(&mut me).await, (json!(number), None));
    }
    assert_eq!(me.control("goodbye").await["reason"], "draining");
    drop(me);
    assert!(down.await.expect("goes down"));
}

/// A raw connection has no answers: only its end reports a failure.
async fn a_raw_connection_keeps_a_window_and_ends_at_a_failure() {
    let (server, engine) = Server::with_held_engine("").await;
    let mut raw = Reader::open(&server, Wire::Ws, "a?format=raw").await;
    for number in 0..100 {
        raw.send(&number.to_string()).await;
    }
    in_flight(&engine, WINDOW).await;
    engine.settle(Fate::Published);
    in_flight(&engine, WINDOW).await;
    engine.settle(Fate::Full);
    let end = raw.raw_end().await;
    assert_eq!(end, Event::End(Some((1013, "overloaded".to_owned()))));
    let sent = engine.sent().len();
    assert!(sent <= WINDOW + 2, "{sent} were sent");
}

tricast_tests::each_delivery!(
    commands_are_read_while_the_window_has_room,
    the_window_is_bounded_in_bytes_too,
    a_refused_publish_gets_its_error_in_order_and_later_ones_go_on,
    after_an_unknown_outcome_everything_settles_first,
    another_command_waits_for_the_publishes_before_it,
    a_client_that_closes_gets_its_answers,
    what_a_client_that_has_left_has_published_is_counted,
    a_drain_lets_the_answers_come_first,
    a_raw_connection_keeps_a_window_and_ends_at_a_failure
);
