//! The presence channel: who joins, and who leaves.

use std::time::{Duration, Instant};

use super::*;

async fn joins_and_leaves_are_sent_to_clients_that_ask(wire: Wire) {
    let server = server("").await;
    let mut plain = open(&server, wire, "room?user=plain").await;
    listed(&server, &["plain"]).await;
    let mut reader = Reader::open(&server, wire, "room?presence=true&user=watcher").await;
    let hello = reader.control("hello").await;
    assert_eq!(hello["channels"], json!(["room", "~room"]));
    assert_eq!(hello["online"], json!({"room": 2}));
    let mut watcher = Watcher { reader, users: BTreeMap::new(), anonymous: json!(0), told: 0 };
    let change = watcher.change().await;
    assert_eq!(
        change,
        json!({"joined": [{"user": "watcher"}], "left": [], "users": 2, "anonymous": 0})
    );
    let other = open(&server, wire, "room?user=other").await;
    let change = watcher.change().await;
    assert_eq!(
        change,
        json!({"joined": [{"user": "other"}], "left": [], "users": 3, "anonymous": 0})
    );
    other.reset();
    let change = watcher.change().await;
    assert_eq!(change, json!({"joined": [], "left": ["other"], "users": 2, "anonymous": 0}));
    assert!(plain.is_silent_for(Duration::from_millis(50)).await, "only on request");
    // It resumes from a position in the one log.
    server.publish("room", "x").await;
    assert_eq!(watcher.reader.data().await, "x");
    assert_eq!(plain.data().await, "x");
}

async fn a_page_reload_is_no_leave_and_three_tabs_are_one_user(wire: Wire) {
    const GRACE: Duration = Duration::from_secs(1);
    let server = server("grace = \"1s\"").await;
    let mut watcher = Watcher::open(&server, wire, "~room").await;
    let mut tabs = Vec::new();
    for _ in 0..3 {
        tabs.push(open(&server, wire, "room?user=alice").await);
    }
    watcher.until(&["alice"]).await;
    tabs.drain(..2).for_each(Reader::reset);
    assert!(watcher.reader.is_silent_for(GRACE * 3 / 2).await, "one tab is left");
    for _ in 0..5 {
        tabs.drain(..).for_each(Reader::reset);
        tabs.push(open(&server, wire, "room?user=alice").await);
    }
    assert!(watcher.reader.is_silent_for(GRACE * 3 / 2).await, "a reload");
    let left = Instant::now();
    drop(tabs);
    assert_eq!(watcher.change().await["left"], json!(["alice"]));
    assert!(left.elapsed() >= GRACE, "it might have come back");
    assert_eq!(watcher.told, 2);
}

async fn many_joins_at_once_make_few_messages(wire: Wire) {
    let server = server("immediate = 5\ninterval = \"500ms\"").await;
    let mut watcher = Watcher::open(&server, wire, "~room").await;
    let mut crowd = Vec::new();
    for n in 0..100 {
        crowd.push(Reader::open(&server, wire, &format!("room?user=u{n}")).await);
    }
    while watcher.users.len() < 100 {
        watcher.change().await;
    }
    assert!(watcher.told < 30, "{} messages for 100 users", watcher.told);
    watcher.told = 0;
    drop(crowd);
    while !watcher.users.is_empty() {
        watcher.change().await;
    }
    assert!(watcher.told < 10, "{} messages for 100 users", watcher.told);
}

async fn a_returning_client_gets_the_changes_it_missed(wire: Wire) {
    let server = server("").await;
    let mut watcher = Watcher::open(&server, wire, "room?presence=true&user=watcher").await;
    watcher.until(&["watcher"]).await;
    let last = watcher.reader.last_id.clone();
    watcher.reader.reset();
    let _alice = open(&server, Wire::Sse, "room?user=alice").await;
    listed(&server, &["alice"]).await;
    let _bob = open(&server, Wire::Sse, "room?user=bob").await;
    listed(&server, &["alice", "bob"]).await;
    let target = "room?presence=true&user=watcher";
    watcher.reader = Reader::open_after(&server, wire, target, last.as_deref()).await;
    assert_eq!(watcher.reader.control("hello").await["recovered"], true);
    watcher.until(&["alice", "bob", "watcher"]).await;
}

async fn a_history_of_changes_that_is_too_short_makes_a_gap(wire: Wire) {
    let server = Server::with("[access]\npresence = true\n[history]\nmessages = 2").await;
    let mut watcher = Watcher::open(&server, wire, "~room").await;
    let mut crowd = vec![open(&server, Wire::Sse, "room?user=u0").await];
    watcher.until(&["u0"]).await;
    let last = watcher.reader.last_id.clone();
    watcher.reader.reset();
    let mut users = vec!["u0"];
    for user in ["u1", "u2", "u3", "u4"] {
        users.push(user);
        crowd.push(open(&server, Wire::Sse, &format!("room?user={user}")).await);
        listed(&server, &users).await;
    }
    let mut back = Reader::open_after(&server, wire, "~room", last.as_deref()).await;
    assert_eq!(back.control("hello").await["reason"], "evicted");
    let gap = back.control("gap").await;
    assert_eq!((&gap["channel"], &gap["certain"]), (&json!("~room"), &json!(true)));
}

async fn info_comes_from_the_token_and_is_sent_again_when_it_changes(wire: Wire) {
    let server = guarded().await;
    let target = |info: Value| {
        let claims = json!({"sub": "alice", "subscribe": ["room"], "info": info});
        format!("room?token={}", token_of(claims, 60))
    };
    let reads = token("watcher", &["room"], &[]);
    let mut watcher = Watcher::open(&server, wire, &format!("~room?token={reads}")).await;
    let _first = open(&server, wire, &target(json!({"name": "A"}))).await;
    assert_eq!(watcher.change().await["joined"], json!([{"user": "alice", "info": {"name": "A"}}]));
    let _same = open(&server, wire, &target(json!({"name": "A"}))).await;
    let _second = open(&server, wire, &target(json!({"name": "B"}))).await;
    let change = watcher.change().await;
    assert_eq!(change["joined"], json!([{"user": "alice", "info": {"name": "B"}}]));
    assert_eq!(change["users"], 1);
    let page = server.get(&format!("/presence/room?token={reads}")).await.json();
    assert_eq!(page["users"], json!([{"user": "alice", "info": {"name": "B"}}]));
}

/// A stream does not outlast its channels for the sake of who is there.
async fn the_end_of_the_channel_ends_the_stream(wire: Wire) {
    let server = server("").await;
    let mut reader = open(&server, wire, "room?presence=true&user=alice").await;
    reader.control("presence").await;
    server.publish("room?end=true", "x").await;
    assert_eq!(reader.data().await, "x");
    assert_eq!(reader.control("goodbye").await["reason"], "ended");
}

async fn raw_is_the_change_and_nothing_else(wire: Wire) {
    let server = server("").await;
    let text = r#"{"joined":[{"user":"alice"}],"left":[],"users":1,"anonymous":0}"#;
    if wire == Wire::Sse {
        let mut connection = server.connect().await;
        connection.send(format!("{}\r\n\r\n", stream_head(wire, "~room?format=raw"))).await;
        connection.head().await;
        let _alice = open(&server, wire, "room?user=alice").await;
        let mut got = String::new();
        while !got.contains("\nid: ") || !got.contains(text) {
            let chunk = connection.chunk().await.expect("more");
            got.push_str(&String::from_utf8(chunk).expect("UTF-8"));
        }
        assert!(got.contains(&format!("event: tricast.presence\ndata: {text}\nid: ")), "{got}");
        return;
    }
    let mut reader = Reader::open(&server, wire, "~room?format=raw").await;
    let _alice = open(&server, wire, "room?user=alice").await;
    assert_eq!(reader.document().await, serde_json::from_str::<Value>(text).expect("JSON"));
}

tricast_tests::each_wire!(
    joins_and_leaves_are_sent_to_clients_that_ask,
    a_page_reload_is_no_leave_and_three_tabs_are_one_user,
    many_joins_at_once_make_few_messages,
    a_returning_client_gets_the_changes_it_missed,
    a_history_of_changes_that_is_too_short_makes_a_gap,
    info_comes_from_the_token_and_is_sent_again_when_it_changes,
    the_end_of_the_channel_ends_the_stream,
    raw_is_the_change_and_nothing_else
);
