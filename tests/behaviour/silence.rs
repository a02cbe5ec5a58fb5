//! Heartbeats: what a stream sends while its channels are silent, so that it is not taken for dead,
//! and so that its cursor moves past the last message.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tricast_tests::{Event, Reader, Server, Wire};

/// A WebSocket that answers no ping for two heartbeats is closed: on busy processors, pongs take
/// their time.
const QUICK: &str = "[stream]\nheartbeat = \"150ms\"";

/// Whatever the next heartbeat reports has happened long before.
const PATIENCE: Duration = Duration::from_secs(10);

/// The next heartbeat, before which nothing else arrives: the `tricast.alive`, or `None` for the
/// short form. After it the client has the cursor, which a ping shows.
async fn next_heartbeat(reader: &mut Reader) -> Option<Value> {
    let (alive, ping) = match reader.next().await {
        Event::Alive(alive) if reader.wire() == Wire::Ws => (Some(alive), reader.next().await),
        Event::Alive(alive) => (Some(alive), Event::Heartbeat(None)),
        short => (None, short),
    };
    let Event::Heartbeat(cursor) = ping else { panic!("{ping:?} instead of a sign of life") };
    assert_eq!(cursor.is_some(), reader.wire() == Wire::Ws);
    if cursor.is_some() {
        assert_eq!(cursor, reader.last_id, "a program that sees no ping has the cursor as well");
    }
    alive
}

/// Waits for the `tricast.alive` that says `id`.
async fn expect_cursor(reader: &mut Reader, id: &str) {
    let coming = async {
        loop {
            if let Some(alive) = next_heartbeat(reader).await {
                break alive;
            }
        }
    };
    let alive = timeout(PATIENCE, coming).await.expect("the moved cursor");
    assert_eq!(alive["id"], id);
    let fields: Vec<_> = alive.as_object().expect("a document").keys().collect();
    assert_eq!(fields, ["event", "id", "time"]);
}

fn seq(id: Option<&str>) -> u64 {
    let (_, seq) = id.expect("an id").rsplit_once('-').expect("of two parts");
    seq.parse().expect("a number")
}

/// As long as the cursor does not move, programs get no event about the silence.
async fn expect_short_heartbeat(reader: &mut Reader) {
    for _ in 0..3 {
        assert_eq!(next_heartbeat(reader).await, None);
    }
}

async fn a_cursor_is_sent_once_and_only_when_it_has_moved(wire: Wire) {
    let server = Server::with(QUICK).await;
    let me = "client-0123456789";
    let mut reader = Reader::open(&server, wire, &format!("a?client={me}")).await;
    assert_eq!(reader.control("hello").await["heartbeat"], 150);
    expect_short_heartbeat(&mut reader).await;
    let id = server.publish("b", "elsewhere").await;
    expect_cursor(&mut reader, &id).await;
    expect_short_heartbeat(&mut reader).await;
    let id = server.publish(&format!("a?client={me}&skip_self=true"), "mine").await;
    expect_cursor(&mut reader, &id).await;
    expect_short_heartbeat(&mut reader).await;
    // A message brings the cursor along.
    let id = server.publish("a", "1").await;
    assert_eq!(reader.data().await, "1");
    assert_eq!(reader.last_id, Some(id));
    expect_short_heartbeat(&mut reader).await;
}

/// Skipped messages and those of other channels move the cursor of a quiet reader, so that it does
/// not lag into a false gap.
async fn the_id_of_a_silent_stream_resumes_without_a_hole_or_a_double(wire: Wire) {
    let server = Server::with(&format!("{QUICK}\n[history]\nmessages = 2")).await;
    let me = "client-0123456789";
    let target = format!("a?client={me}");
    let mut reader = Reader::open(&server, wire, &target).await;
    reader.control("hello").await;
    server.publish("a", "1").await;
    assert_eq!(reader.data().await, "1");
    let skipped = format!("{target}&skip_self=true");
    // One at a time: what the history loses before it was looked at is a gap.
    for elsewhere in [&skipped, "b", &skipped, &skipped, "b"] {
        let id = server.publish(elsewhere, "x").await;
        expect_cursor(&mut reader, &id).await;
    }
    let last = reader.last_id.clone();
    reader.reset();
    server.publish("b", "x").await;
    server.publish("a", "2").await;
    let mut reader = Reader::open_after(&server, wire, &target, last.as_deref()).await;
    let hello = reader.control("hello").await;
    assert_eq!((&hello["recovered"], hello["id"].as_str()), (&true.into(), last.as_deref()));
    server.publish("a", "3").await;
    assert_eq!(reader.all_data(2).await, ["2", "3"]);
}

/// A run that several channels' messages came in ends below the log's head.
async fn among_busy_channels_every_reader_gets_its_own_cursor(wire: Wire) {
    let server = Server::with(QUICK).await;
    let mut reader = Reader::open(&server, wire, "a").await;
    reader.control("hello").await;
    for n in 0..20 {
        let text = n.to_string();
        let (_, other) = tokio::join!(server.publish("a", &text), server.publish("b", &text));
        assert_eq!(reader.data().await, *text);
        if seq(reader.last_id.as_deref()) < seq(Some(&other)) {
            expect_cursor(&mut reader, &other).await;
        }
        assert_eq!(next_heartbeat(&mut reader).await, None);
    }
}

/// Online counts have no id: however often they change, the moved cursor is sent.
async fn changing_online_counts_do_not_delay_it(wire: Wire) {
    let server = Server::with(&format!("{QUICK}\nonline_interval = \"1ms\"")).await;
    let mut reader = Reader::open(&server, wire, "a?online=true").await;
    reader.control("hello").await;
    let crowd = async {
        loop {
            let mut other = Reader::open(&server, Wire::Sse, "a").await;
            other.control("hello").await;
        }
    };
    let told = async {
        let id = server.publish("b", "elsewhere").await;
        loop {
            if let Event::Alive(alive) = reader.next().await
                && alive["id"] == *id
            {
                break;
            }
        }
    };
    tokio::select! {
        () = crowd => unreachable!("it goes on"),
        told = timeout(PATIENCE, told) => told.expect("the moved cursor"),
    }
}

async fn a_client_that_asks_gets_a_heartbeat_event_each_time(wire: Wire) {
    let server = Server::with(QUICK).await;
    let mut reader = Reader::open(&server, wire, "a?heartbeat=event").await;
    let hello = reader.control("hello").await;
    for _ in 0..3 {
        assert_eq!(next_heartbeat(&mut reader).await.expect("an event")["id"], hello["id"]);
    }
    let id = server.publish("b", "elsewhere").await;
    let moves =
        async { while next_heartbeat(&mut reader).await.expect("an event")["id"] != *id {} };
    timeout(PATIENCE, moves).await.expect("the moved cursor");
    assert_eq!(next_heartbeat(&mut reader).await.expect("an event")["id"], id.as_str());
}

/// Only SSE has room for it beside the data.
async fn raw_streams_carry_only_data() {
    let server = Server::with(QUICK).await;
    let head = async |path: &str| {
        let mut connection = server.connect().await;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n")).await;
        assert_eq!(connection.head().await.status, 200, "{path}");
        connection
    };
    let mut chunked = head("/chunked/a?format=raw").await;
    let mut ws = Reader::open(&server, Wire::Ws, "a?format=raw").await;
    // It has to be read all the time: pings want an answer.
    let ws = tokio::spawn(async move {
        loop {
            match ws.try_next().await {
                Err(Message::Ping(_)) => {}
                Err(Message::Text(text)) => break text,
                other => panic!("{other:?}"),
            }
        }
    });
    let mut sse = head("/sse/a?format=raw").await;
    assert!(sse.chunk().await.expect("hello").starts_with(b"event: tricast.hello\n"));
    for _ in 0..3 {
        let id = server.publish("b", "elsewhere").await;
        let coming = async {
            loop {
                match sse.chunk().await.expect("goes on") {
                    short if short == b":\n" => {}
                    alive => break String::from_utf8(alive).expect("UTF-8"),
                }
            }
        };
        let alive = timeout(PATIENCE, coming).await.expect("the moved cursor");
        let begin = format!(
            "event: tricast.alive\ndata: {{\"id\":\"{id}\",\"event\":\"tricast.alive\",\"time\":"
        );
        assert!(
            alive.starts_with(&begin) && alive.ends_with(&format!("}}\nid: {id}\n\n")),
            "{alive}"
        );
    }
    server.publish("a", "1").await;
    assert_eq!(chunked.chunk().await.expect("data"), b"1\n");
    assert_eq!(ws.await.expect("ends"), "1");
}

tricast_tests::each_wire_and_transport!(
    a_cursor_is_sent_once_and_only_when_it_has_moved,
    the_id_of_a_silent_stream_resumes_without_a_hole_or_a_double,
    among_busy_channels_every_reader_gets_its_own_cursor,
    changing_online_counts_do_not_delay_it,
    a_client_that_asks_gets_a_heartbeat_event_each_time
);

tricast_tests::each_delivery_and_transport!(raw_streams_carry_only_data);
