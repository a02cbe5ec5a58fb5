//! The list of the users in a channel, and its place in the presence channel.

use std::cell::Cell;

use super::*;

async fn a_snapshot_and_the_stream_from_its_id_have_no_hole(wire: Wire) {
    // A client that returns within the grace is never reported as gone, and here all of them do.
    let server = &server("grace = \"5ms\"\ninterval = \"30ms\"\nimmediate = 5").await;
    let done = Cell::new(false);
    let churn = async {
        let mut there: BTreeMap<String, Vec<Reader>> = BTreeMap::new();
        let mut random = Random(1);
        // Users join and leave for as long as the observers watch.
        while !done.get() || there.len() < 20 {
            let user = format!("u{}", random.below(60));
            if random.below(5) < 3 {
                let on = Wire::ALL[random.below(3)];
                let reader = open(server, on, &format!("room?user={user}")).await;
                there.entry(user).or_default().push(reader);
            } else {
                there.remove(&user).into_iter().flatten().for_each(Reader::reset);
            }
        }
        there
    };
    let watching = async {
        let mut watchers = Vec::new();
        for n in 0..12 {
            let page = snapshot(server, if n % 2 == 0 { "" } else { "?limit=7" }).await;
            let id = page["id"].as_str().expect("an id").to_owned();
            let reader = Reader::open_after(server, wire, "~room", Some(&id)).await;
            let mut watcher =
                Watcher { reader, users: BTreeMap::new(), anonymous: json!(0), told: 0 };
            assert_eq!(watcher.reader.control("hello").await["recovered"], true);
            watcher.add(&page);
            let mut page = page;
            while page["more"] == true {
                let last = page["users"].as_array().and_then(|users| users.last()).expect("more");
                let after = name(&last["user"]);
                page = snapshot(server, &format!("?limit=7&after={after}")).await;
                watcher.add(&page);
            }
            if n % 2 == 0 {
                // One that was taken whole is exact at every step.
                for _ in 0..3 {
                    let change = watcher.change().await;
                    assert_eq!(change["users"], watcher.users.len(), "{change}");
                }
            }
            watchers.push(watcher);
        }
        done.set(true);
        watchers
    };
    let (there, watchers) = tokio::join!(churn, watching);
    let truth: Vec<&str> = there.keys().map(String::as_str).collect();
    for mut watcher in watchers {
        watcher.until(&truth).await;
    }
    let page = listed(server, &there.keys().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!((&page["anonymous"], &page["more"]), (&json!(0), &json!(false)));
}

/// A small generator of its own, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

async fn clients_without_a_user_are_only_counted(wire: Wire) {
    let server = server("").await;
    let mut watcher = Watcher::open(&server, Wire::Sse, "~room").await;
    let tab = "tab-0123456789abcdef";
    let first = open(&server, wire, &format!("room?client={tab}")).await;
    let second = open(&server, wire, &format!("room?client={tab}")).await;
    let third = open(&server, wire, "room").await;
    while watcher.anonymous != 2 {
        let change = watcher.change().await;
        assert_eq!((&change["joined"], &change["users"]), (&json!([]), &json!(0)));
    }
    let page = snapshot(&server, "").await;
    assert_eq!((&page["users"], &page["anonymous"]), (&json!([]), &json!(2)));
    assert!(!page.to_string().contains(tab), "{page}");
    drop((first, second, third));
    while watcher.anonymous != 0 {
        watcher.change().await;
    }
    drop(watcher);
    eventually("nobody is there", async || (server.gateway.connections() == 0).then_some(())).await;
}

async fn a_websocket_asks_and_watches_by_command() {
    let server = server("").await;
    let _alice = open(&server, Wire::Sse, "room?user=alice").await;
    listed(&server, &["alice"]).await;
    let mut me = open(&server, Wire::Ws, "room?user=me").await;
    listed(&server, &["alice", "me"]).await;
    me.send(r#"{"type":"presence","ref":1}"#).await;
    let ack = me.control("ack").await;
    let page = &ack["presence"];
    assert_eq!((&ack["ref"], &page["channel"]), (&json!(1), &json!("room")));
    assert_eq!(page["users"], json!([{"user": "alice"}, {"user": "me"}]));
    me.send(r#"{"type":"presence","after":"alice"}"#).await;
    assert_eq!(me.control("ack").await["presence"]["users"], json!([{"user": "me"}]));
    // A user joins between the snapshot and the stream.
    let _bob = open(&server, Wire::Sse, "room?user=bob").await;
    listed(&server, &["alice", "bob", "me"]).await;
    let from = json!({"type": "subscribe", "channel": "~room", "last_event_id": page["id"]});
    me.send(&from.to_string()).await;
    let ack = me.control("ack").await;
    assert_eq!((&ack["recovered"], &ack["online"]), (&json!(true), &json!({})));
    assert_eq!(me.control("presence").await["data"]["joined"], json!([{"user": "bob"}]));
    // A POST on a stream still publishes to exactly one channel.
    me.send(r#"{"data":"hello","skip_self":true}"#).await;
    assert_eq!(me.control("ack").await["subscribers"], 3);
    me.send(r#"{"type":"unsubscribe","channel":"~room"}"#).await;
    assert_eq!(me.control("ack").await["unsubscribed"], "~room");
    let _carol = open(&server, Wire::Sse, "room?user=carol").await;
    listed(&server, &["alice", "bob", "carol", "me"]).await;
    me.send(r#"{"type":"ping","ref":"end"}"#).await;
    assert_eq!(me.control("ack").await["ref"], "end", "nothing in between");
}

async fn presence_channels_are_not_listed() {
    let server = server("").await;
    let _alice = open(&server, Wire::Sse, "room?user=alice").await;
    let page = listed(&server, &["alice"]).await;
    let channels = server.get("/channels").await.json();
    assert_eq!(channels["channels"].as_array().map(Vec::len), Some(1), "{channels}");
    assert_eq!(server.get("/online/~room").await.problem(), "online-hidden");
    assert_eq!(server.get("/presence/~room").await.problem(), "presence-off");
    let history = server.get("/history/~room").await.json();
    assert_eq!(history["messages"][0]["id"], page["id"]);
    for (path, problem) in [
        ("/presence/room?limit=1001", "bad-parameter"),
        ("/presence/room?after=a%20b", "bad-user"),
        ("/presence/room?since=1", "unknown-parameter"),
        ("/presence/a..b", "bad-channel"),
    ] {
        assert_eq!(server.get(path).await.problem(), problem, "{path}");
    }
    assert_eq!(server.get("/presence/nowhere").await.json()["users"], json!([]));
}

async fn nothing_is_left_at_the_end() {
    let settings = "[access]\npresence = true\n[presence]\ngrace = \"0s\"\n[history]\nage = \"1s\"";
    let server = Server::with(settings).await;
    let readers = [
        open(&server, Wire::Sse, "room?user=alice").await,
        open(&server, Wire::Ws, "room?presence=true").await,
    ];
    listed(&server, &["alice"]).await;
    drop(readers);
    eventually("everything is forgotten", async || {
        (server.metric("tricast_log_channels").await == 0.0).then_some(())
    })
    .await;
}

tricast_tests::each_wire!(
    a_snapshot_and_the_stream_from_its_id_have_no_hole,
    clients_without_a_user_are_only_counted
);

tricast_tests::each_delivery!(
    a_websocket_asks_and_watches_by_command,
    presence_channels_are_not_listed,
    nothing_is_left_at_the_end
);
