//! More channels on an open WebSocket: subscribe with a resume id, unsubscribe, read online counts
//! and history.

use std::{collections::HashMap, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tricast_tests::{Event, Reader, Server, SmallBuffer, Wire};

/// Asks for something, and gives the answer to it.
async fn ask(me: &mut Reader, command: Value) -> Value {
    me.send(&command.to_string()).await;
    loop {
        let document = me.document().await;
        if ["tricast.ack", "tricast.error"].contains(&document["event"].as_str().unwrap_or("")) {
            return document;
        }
    }
}

async fn open(server: &Server, target: &str) -> Reader {
    let mut reader = Reader::open(server, Wire::Ws, target).await;
    reader.control("hello").await;
    reader
}

fn seq(id: &Value) -> u64 {
    let id = id.as_str().expect("an id");
    id.split('-').nth(1).and_then(|seq| seq.parse().ok()).expect("a seq")
}

async fn a_channel_is_subscribed_and_unsubscribed_by_command() {
    let server = Server::start().await;
    let mut me = open(&server, "a").await;
    let ack = ask(&mut me, json!({"type": "subscribe", "channel": "b", "ref": 1})).await;
    assert_eq!((&ack["subscribed"], &ack["ref"]), (&json!("b"), &json!(1)));
    assert_eq!(
        (&ack["from"], &ack["recovered"], &ack["reason"]),
        (&ack["to"], &json!(false), &json!("fresh"))
    );
    assert_eq!(ack["online"], json!({"b": 1}));
    assert_eq!(server.online("b").await["connections"], 1);
    for (channel, text) in [("b", "1"), ("a", "2"), ("b", "3")] {
        server.publish(channel, text).await;
    }
    assert_eq!(me.all_data(3).await, ["1", "2", "3"]);
    let ack = ask(&mut me, json!({"type": "unsubscribe", "channel": "b"})).await;
    assert_eq!(ack["unsubscribed"], "b");
    assert_eq!(server.online("b").await["connections"], 0);
    server.publish("b", "4").await;
    server.publish("a", "5").await;
    assert_eq!(me.data().await, "5");
    // Without any channel the connection waits for the next.
    ask(&mut me, json!({"type": "unsubscribe", "channel": "a"})).await;
    assert_eq!(ask(&mut me, json!({"data": 1})).await["type"], "urn:tricast:bad-channel");
    ask(&mut me, json!({"type": "subscribe", "channel": "c"})).await;
    server.publish("c", "6").await;
    assert_eq!(me.data().await, "6");
}

async fn a_resume_id_of_its_own_is_caught_up_between_from_and_to() {
    let server = Server::start().await;
    let first = server.publish("b", "old").await;
    for n in 0..300 {
        server.publish("b", &n.to_string()).await;
        server.publish("a", "not again").await;
    }
    let mut me = open(&server, "a").await;
    me.send(&json!({"type": "subscribe", "channel": "b", "last_event_id": first}).to_string())
        .await;
    let ack = me.control("ack").await;
    assert_eq!((&ack["from"], &ack["recovered"]), (&json!(first), &json!(true)));
    for n in 0..300 {
        let document = me.document().await;
        assert_eq!((&document["channel"], &document["data"]), (&json!("b"), &json!(n.to_string())));
        assert!(seq(&document["id"]) <= seq(&ack["to"]));
    }
    server.publish("a", "live").await;
    assert_eq!(me.data().await, "live");
}

/// A client that is cut in the middle of a catch-up resumes everything with its last id; no message
/// published after `to` comes before the end of the catch-up.
async fn one_id_resumes_everything_wherever_a_catch_up_is_cut() {
    let server = Server::start().await;
    let first = server.publish("b", "0").await;
    for n in 1..40 {
        server.publish("b", &n.to_string()).await;
    }
    for cut in [0, 1, 7, 39, 45] {
        let mut me = open(&server, "a").await;
        server.publish("a", "live 1").await;
        assert_eq!(me.data().await, "live 1");
        me.send(&json!({"type": "subscribe", "channel": "b", "last_event_id": first}).to_string())
            .await;
        let ack = me.control("ack").await;
        let mut seen: Vec<Value> = Vec::new();
        // Published in the middle of the catch-up or after it; never received before its end.
        let writer = async {
            for n in 0..10 {
                server.publish("a", &format!("after {n}")).await;
            }
        };
        let read = async {
            for _ in 0..cut {
                let document = me.document().await;
                let caught_up = seq(&document["id"]) > seq(&ack["to"]);
                assert!(!caught_up || seen.len() >= 39, "{document} in the middle of the catch-up");
                seen.push(document["data"].clone());
            }
        };
        tokio::join!(writer, read);
        // The ack has an id too.
        let resume_from = me.last_id.clone();
        me.reset();
        let resume_from = resume_from.expect("an id");
        let mut again = Reader::open_after(&server, Wire::Ws, "a,b", Some(&resume_from)).await;
        assert_eq!(again.control("hello").await["recovered"], true);
        let wanted: Vec<Value> = (1..40)
            .map(|n| json!(n.to_string()))
            .chain((0..10).map(|n| json!(format!("after {n}"))))
            .collect();
        while !wanted.iter().all(|data| seen.contains(data)) {
            let data = again.data().await;
            assert!(!wanted.contains(&data) || !seen.contains(&data), "{data} twice, cut at {cut}");
            seen.push(data);
        }
    }
}

async fn a_gap_of_a_new_channel_follows_its_ack() {
    let settings = "[history]\nmessages = 5\n[stream]\nslow_reader = \"disconnect\"";
    let server = Server::in_memory(settings).await;
    let first = server.publish("b", "0").await;
    for n in 1..20 {
        server.publish("b", &n.to_string()).await;
    }
    let mut me = open(&server, "a").await;
    me.send(&json!({"type": "subscribe", "channel": "b", "last_event_id": first}).to_string())
        .await;
    let ack = me.control("ack").await;
    assert_eq!((&ack["recovered"], &ack["reason"]), (&json!(false), &json!("evicted")));
    // It was lost before this reader came: that makes it no slow reader.
    let gap = me.control("gap").await;
    assert_eq!((&gap["channel"], &gap["certain"]), (&json!("b"), &json!(true)));
    assert_eq!(me.all_data(5).await, ["15", "16", "17", "18", "19"]);

    let mut me = open(&server, "a").await;
    me.send(r#"{"type":"subscribe","channel":"b","last_event_id":"other-3"}"#).await;
    assert_eq!(me.control("ack").await["reason"], "epoch");
    assert_eq!(me.control("gap").await["first"], json!(null));
    assert_eq!(me.all_data(5).await.len(), 5);
}

async fn a_bad_change_of_channels_is_refused_and_changes_nothing() {
    let server = Server::with("[limits]\nchannels_per_connection = 2").await;
    let mut me = open(&server, "a?user=alice").await;
    for (command, kind) in [
        (json!({"type": "subscribe", "channel": "a"}), "already-subscribed"),
        (json!({"type": "subscribe", "channel": "@alice"}), "already-subscribed"),
        (json!({"type": "subscribe", "channel": "@bob"}), "forbidden"),
        (json!({"type": "history", "channel": "@bob"}), "forbidden"),
        (json!({"type": "unsubscribe", "channel": "b"}), "not-subscribed"),
        (json!({"type": "unsubscribe", "channel": "@alice"}), "not-subscribed"),
        (json!({"type": "dance"}), "bad-command"),
    ] {
        let error = ask(&mut me, command.clone()).await;
        assert_eq!(error["type"], format!("urn:tricast:{kind}"), "{command}");
    }
    ask(&mut me, json!({"type": "subscribe", "channel": "b"})).await;
    let error = ask(&mut me, json!({"type": "subscribe", "channel": "c", "ref": "full"})).await;
    assert_eq!(
        (&error["type"], &error["ref"]),
        (&json!("urn:tricast:bad-channel"), &json!("full"))
    );
    assert_eq!(server.online("c").await["connections"], 0);
    server.publish("@alice", "still here").await;
    assert_eq!(me.data().await, "still here");
    assert_eq!(server.metric("tricast_refusals_total{reason=\"already-subscribed\"}").await, 2.0);
}

async fn online_and_history_need_no_subscription() {
    let server = Server::start().await;
    server.publish("b", "1").await;
    let second = server.publish("b", "2").await;
    let _other = open(&server, "b").await;
    let mut me = open(&server, "a").await;
    let ack = ask(&mut me, json!({"type": "online", "channel": "b", "ref": 1})).await;
    assert_eq!(ack["count"], server.online("b").await);
    assert_eq!(ack["count"]["wires"]["ws"]["connections"], 1);
    let ack = ask(&mut me, json!({"type": "history", "channel": "b", "since": 1})).await;
    assert_eq!(ack["history"], server.get("/history/b?since=1").await.json());
    assert_eq!(ack["history"]["messages"][0]["id"], json!(second));
    assert_eq!(ack.get("id"), None, "an answer is no resume point");
    assert_eq!(ask(&mut me, json!({"type": "history"})).await["history"]["messages"], json!([]));
    let pong = ask(&mut me, json!({"type": "ping", "ref": "p"})).await;
    assert_eq!((&pong["event"], &pong["ref"]), (&json!("tricast.ack"), &json!("p")));
}

async fn online_counts_follow_the_channels() {
    let server = Server::with("[stream]\nonline_interval = \"10ms\"").await;
    let mut me = Reader::open(&server, Wire::Ws, "a?online=true").await;
    me.control("hello").await;
    assert_eq!(me.control("online").await["channel"], "a");
    ask(&mut me, json!({"type": "subscribe", "channel": "b"})).await;
    let told = async |me: &mut Reader, channel: &str, connections: u64| loop {
        let document = me.control("online").await;
        if document["channel"] == channel && document["connections"] == connections {
            return;
        }
    };
    told(&mut me, "b", 1).await;
    let other = open(&server, "b").await;
    told(&mut me, "b", 2).await;
    other.reset();
    told(&mut me, "b", 1).await;
    ask(&mut me, json!({"type": "unsubscribe", "channel": "a"})).await;
    let _other = open(&server, "b").await;
    told(&mut me, "b", 2).await;
    // Unchanged counts are not sent again.
    me.send(r#"{"type":"unsubscribe","channel":"z"}"#).await;
    me.control("error").await;
    me.send(r#"{"type":"subscribe","channel":"c"}"#).await;
    me.control("ack").await;
    assert_eq!(me.control("online").await["channel"], "c");
    assert!(me.is_silent_for(Duration::from_millis(50)).await);
}

async fn when_the_channels_that_are_left_have_ended_so_has_the_stream() {
    let server = Server::start().await;
    let mut me = open(&server, "a").await;
    ask(&mut me, json!({"type": "subscribe", "channel": "b"})).await;
    server.publish("a?end=true", "over").await;
    assert_eq!(me.data().await, "over");
    server.publish("b", "not yet").await;
    assert_eq!(me.data().await, "not yet");
    me.send(r#"{"type":"unsubscribe","channel":"b"}"#).await;
    assert_eq!(me.control("ack").await["unsubscribed"], "b");
    assert_eq!(me.control("goodbye").await["reason"], "ended");
    assert_eq!(me.end().await, Event::End(Some((1000, "ended".to_owned()))));
}

/// A client that still has much to catch up with can unsubscribe.
async fn a_client_that_is_catching_up_can_still_send_commands() {
    const MESSAGES: usize = 400;
    let server = Server::with("[history]\nbytes = \"64MiB\"").await;
    let large = "x".repeat(50_000);
    for _ in 0..MESSAGES {
        server.publish("a", &large).await;
    }
    // With so little room that the backlog does not fit between the two.
    let place = SmallBuffer(&server);
    let (mut me, _) = Reader::handshake(&place, "/ws/a,b?since=earliest").await.expect("opens");
    me.send(Message::text(r#"{"type":"unsubscribe","channel":"a"}"#)).await.expect("sends");
    let mut before = 0;
    loop {
        let message = me.next().await.expect("a message").expect("reads");
        let text = message.to_text().expect("text");
        before += usize::from(text.contains("xxx"));
        if text.contains("tricast.ack") {
            break;
        }
        // It reads slowly.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(before < MESSAGES, "all {before} came before the answer");
    server.publish("b", "of the other").await;
    let next = me.next().await.expect("a message").expect("reads");
    assert!(next.to_text().expect("text").contains("of the other"));
}

/// A client that subscribes and unsubscribes again and again, each time from its last id, misses no
/// message while others publish.
async fn a_client_that_resubscribes_again_and_again_misses_nothing() {
    const CHANNELS: [&str; 3] = ["a", "b", "c"];
    const EACH: usize = 300;
    let server = Server::start().await;
    let begin = server.publish("a", "begin").await;
    let mut me = open(&server, "lobby").await;
    let writer = async {
        for n in 0..EACH {
            for channel in CHANNELS {
                server.publish(channel, &n.to_string()).await;
            }
        }
    };
    let reader = async {
        let mut last = HashMap::from(CHANNELS.map(|channel| (channel, begin.clone())));
        let mut seen = HashMap::from(CHANNELS.map(|channel| (channel, 0)));
        let mut open: Vec<&str> = Vec::new();
        let mut turn = 0;
        while seen.values().any(|count| *count < EACH) {
            let channel = CHANNELS[turn % 3];
            turn += 1;
            let is_open = open.contains(&channel);
            let command = match is_open {
                true => json!({"type": "unsubscribe", "channel": channel}),
                false => {
                    json!({"type": "subscribe", "channel": channel, "last_event_id": last[channel]})
                }
            };
            me.send(&command.to_string()).await;
            // Everything up to the answer, and a little of what follows it.
            let mut behind = turn % 7;
            loop {
                let document = me.document().await;
                match document["event"].as_str().expect("an event") {
                    "tricast.ack" => {
                        match is_open {
                            true => open.retain(|one| *one != channel),
                            false => open.push(channel),
                        }
                        if behind == 0 || open.iter().all(|one| seen[one] == EACH) {
                            break;
                        }
                    }
                    "message" => {
                        let from = CHANNELS.into_iter().find(|one| document["channel"] == *one);
                        let from = from.expect("a channel that was asked for");
                        let count = seen.get_mut(from).expect("known");
                        assert_eq!(document["data"], json!(count.to_string()), "of {from}");
                        *count += 1;
                        last.insert(from, document["id"].as_str().expect("an id").to_owned());
                        let acked = open.contains(&channel) != is_open;
                        behind = behind.saturating_sub(usize::from(acked));
                        if acked && (behind == 0 || open.iter().all(|one| seen[one] == EACH)) {
                            break;
                        }
                    }
                    other => panic!("{other}: {document}"),
                }
            }
        }
    };
    tokio::join!(writer, reader);
}

tricast_tests::each_delivery_and_transport!(
    a_channel_is_subscribed_and_unsubscribed_by_command,
    a_resume_id_of_its_own_is_caught_up_between_from_and_to,
    one_id_resumes_everything_wherever_a_catch_up_is_cut,
    a_gap_of_a_new_channel_follows_its_ack,
    a_bad_change_of_channels_is_refused_and_changes_nothing,
    online_and_history_need_no_subscription,
    online_counts_follow_the_channels,
    when_the_channels_that_are_left_have_ended_so_has_the_stream,
    a_client_that_is_catching_up_can_still_send_commands,
    a_client_that_resubscribes_again_and_again_misses_nothing
);
