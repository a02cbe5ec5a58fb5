//! Presence by name: snapshot and stream together have no gap.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tricast_tests::{
    Event, Reader, SECRET, Server, Wire, eventually, stream_head, token, token_of,
};

/// With the default grace the test would wait long for each leave.
async fn server(presence: &str) -> Server {
    let grace = if presence.contains("grace") { "" } else { "grace = \"300ms\"\n" };
    Server::with(&format!("[access]\npresence = true\n[presence]\n{grace}{presence}")).await
}

async fn guarded() -> Server {
    let settings = format!("[tokens]\nsecret = \"{SECRET}\"\n[access]\npresence = true");
    Server::with(&settings).await
}

/// A client that keeps a list of the users in a channel.
struct Watcher {
    reader: Reader,
    users: BTreeMap<String, Value>,
    anonymous: Value,
    /// Messages that changed it.
    told: usize,
}

impl Watcher {
    /// Watches from an empty list on.
    async fn open(server: &Server, wire: Wire, target: &str) -> Self {
        let mut reader = Reader::open(server, wire, target).await;
        reader.control("hello").await;
        Self { reader, users: BTreeMap::new(), anonymous: json!(0), told: 0 }
    }

    /// Takes a page of users.
    fn add(&mut self, page: &Value) {
        for one in page["users"].as_array().expect("a list") {
            self.users.insert(name(&one["user"]), one["info"].clone());
        }
        self.anonymous = page["anonymous"].clone();
    }

    /// Takes the next change, and gives it.
    async fn change(&mut self) -> Value {
        let document = self.reader.control("presence").await;
        assert_eq!(document["channel"], "~room");
        assert_eq!(document.get("online"), None, "nobody asks who listens to it");
        let data = document["data"].clone();
        for one in data["joined"].as_array().expect("a list") {
            self.users.insert(name(&one["user"]), one["info"].clone());
        }
        for user in data["left"].as_array().expect("a list") {
            self.users.remove(&name(user));
        }
        self.anonymous = data["anonymous"].clone();
        self.told += 1;
        data
    }

    /// Reads until these are there.
    async fn until(&mut self, users: &[&str]) {
        while self.users.keys().ne(users) {
            self.change().await;
        }
    }
}

fn name(value: &Value) -> String {
    value.as_str().expect("a user").to_owned()
}

async fn snapshot(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/presence/room{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Waits until these are listed.
async fn listed(server: &Server, users: &[&str]) -> Value {
    let expected: Vec<_> = users.iter().map(|user| json!({"user": user})).collect();
    eventually("they are listed", async || {
        let page = snapshot(server, "").await;
        (page["users"] == json!(expected)).then_some(page)
    })
    .await
}

async fn open(server: &Server, wire: Wire, target: &str) -> Reader {
    let mut reader = Reader::open(server, wire, target).await;
    reader.control("hello").await;
    reader
}

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

async fn no_client_can_publish_presence_changes(wire: Wire) {
    let server = guarded().await;
    let all = token("alice", &["**"], &["**"]);
    let refused = match wire {
        Wire::Ws => {
            let mut reader = open(&server, wire, &format!("~room?token={all}")).await;
            reader.send(r#"{"data":{"joined":[],"left":["bob"],"users":0,"anonymous":0}}"#).await;
            let error = loop {
                let document = reader.document().await;
                if document["event"] != "tricast.presence" {
                    break document;
                }
            };
            assert_eq!(error["type"], "urn:tricast:forbidden", "{error}");
            let mut raw =
                Reader::open(&server, wire, &format!("~room?format=raw&token={all}")).await;
            raw.send("{}").await;
            assert_eq!(raw.end().await, Event::End(Some((4201, "forbidden".to_owned()))));
            server.post(&format!("/publish/~room?token={all}"), "application/json", b"{}").await
        }
        wire => server.post(&format!("/{}/~room?token={all}", wire.name()), "", b"{}").await,
    };
    assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden"));
}

async fn where_presence_is_off_it_is_refused(wire: Wire) {
    let server = Server::with("[[namespace]]\npattern = \"open.*\"\npresence = true").await;
    for target in [
        "room?presence=true",
        "~room",
        "open.a,room?presence=true",
        "@alice?presence=true&user=alice",
    ] {
        let answer = server.request(&stream_head(wire, target), b"").await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "presence-off"), "{target}");
    }
    open(&server, wire, "open.a?presence=true").await;
    let both = open(&server, wire, "open.a,~open.a?presence=true").await;
    drop(both);
    let many: Vec<String> = (0..51).map(|n| format!("open.{n}")).collect();
    let answer =
        server.request(&stream_head(wire, &format!("{}?presence=true", many.join(","))), b"").await;
    assert_eq!(answer.problem(), "bad-channel", "each counts twice");
}

async fn presence_has_the_access_rules_of_its_channel(wire: Wire) {
    let server = guarded().await;
    let mine = token("alice", &["room"], &[]);
    for (target, status) in [
        ("~room".to_owned(), 401),
        ("room?presence=true".to_owned(), 401),
        (format!("~other?token={mine}"), 403),
        (format!("room,~other?token={mine}"), 403),
    ] {
        let answer = server.request(&stream_head(wire, &target), b"").await;
        assert_eq!(answer.status, status, "{target}");
    }
    assert_eq!(server.get("/presence/room").await.status, 401);
    assert_eq!(server.get(&format!("/presence/other?token={mine}")).await.problem(), "forbidden");
    assert_eq!(server.get(&format!("/presence/room?token={mine}")).await.status, 200);
    open(&server, wire, &format!("~room?token={mine}")).await;
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

/// A small generator of its own, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
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

async fn a_new_token_that_does_not_name_the_channel_leaves_its_presence_too() {
    let server = guarded().await;
    let both = token("alice", &["room", "other"], &[]);
    let mut me = open(&server, Wire::Ws, &format!("other,~room?token={both}")).await;
    let next = token("alice", &["other"], &[]);
    me.send(&json!({"type": "renew", "token": next}).to_string()).await;
    assert_eq!(me.control("ack").await["left"], json!(["~room"]));
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
    joins_and_leaves_are_sent_to_clients_that_ask,
    a_page_reload_is_no_leave_and_three_tabs_are_one_user,
    a_snapshot_and_the_stream_from_its_id_have_no_hole,
    many_joins_at_once_make_few_messages,
    a_returning_client_gets_the_changes_it_missed,
    a_history_of_changes_that_is_too_short_makes_a_gap,
    info_comes_from_the_token_and_is_sent_again_when_it_changes,
    clients_without_a_user_are_only_counted,
    no_client_can_publish_presence_changes,
    where_presence_is_off_it_is_refused,
    presence_has_the_access_rules_of_its_channel,
    the_end_of_the_channel_ends_the_stream,
    raw_is_the_change_and_nothing_else
);

tricast_tests::each_delivery!(
    a_websocket_asks_and_watches_by_command,
    a_new_token_that_does_not_name_the_channel_leaves_its_presence_too,
    presence_channels_are_not_listed,
    nothing_is_left_at_the_end
);
