//! The page at `/` and its own endpoints: the bytes of a message on each wire, and closing its own
//! streams.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tricast_tests::{Connection, Reader, Server, Wire, stream_head};

/// Built or not, the page runs only scripts of the gateway.
async fn the_page_answers_under_a_strict_policy_and_is_fetched_once() {
    for (base, path) in [("", "/"), ("base_path = \"/realtime\"", "/realtime/")] {
        let server = Server::with(base).await;
        let page = server.get(path).await;
        assert_eq!((page.status, &*page.fields["content-type"]), (200, "text/html; charset=utf-8"));
        assert!(page.text().contains("<title>Tricast</title>"));
        let policy = &page.fields["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.fields["referrer-policy"], "no-referrer");
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: t\r\nIf-None-Match: {}", page.fields["etag"]);
        let again = server.request(&head, b"").await;
        assert_eq!((again.status, again.text().as_str()), (304, ""));
        assert!(again.fields.contains_key("content-security-policy"));
    }
}

async fn the_dashboard_can_be_switched_off_with_its_endpoints() {
    let server = Server::with("dashboard = \"off\"").await;
    let id = server.publish("a", "x").await;
    let seen = "/dashboard/seen?client=client-0123456789";
    for path in ["/", "/app.js", seen, &format!("/dashboard/bytes/a?id={id}")] {
        assert_eq!(server.get(path).await.problem(), "not-found", "{path}");
    }
    assert_eq!(server.post("/dashboard/cut?client=client-0123456789", "", b"").await.status, 404);
}

/// Reads to the end of `bytes`.
async fn capture(connection: &mut Connection, bytes: &[u8]) {
    loop {
        let at = connection.buffer.windows(bytes.len()).position(|window| window == bytes);
        if let Some(at) = at {
            connection.buffer.drain(..at + bytes.len());
            return;
        }
        assert!(connection.more().await, "it ends: {:?}", connection.buffer);
    }
}

async fn the_wire_view_shows_what_a_capture_shows(wire: Wire) {
    let server = Server::with("[stream]\nheartbeat = \"200ms\"").await;
    let shown = async |id: &str| -> Value {
        let view = server.get(&format!("/dashboard/bytes/a?id={id}")).await.json();
        assert_eq!(view["id"], id);
        let wires = view["wires"].as_array().expect("three").iter();
        wires.clone().find(|view| view["wire"] == wire.name()).expect("this one").clone()
    };
    let bytes = |view: &Value| STANDARD.decode(view.as_str().expect("base64")).expect("base64");
    let mut connection = server.connect().await;
    connection.send(stream_head(wire, "a") + "\r\n\r\n").await;
    connection.head().await;
    let first = server.publish("a", "héllo\nworld").await;
    let view = shown(&first).await;
    capture(&mut connection, &bytes(&view["message"])).await;
    capture(&mut connection, &bytes(&view["heartbeat"])).await;

    // The last message may leave joined with the goodbye.
    server.publish("a?end=true", "bye").await;
    let end = bytes(&view["end"]);
    assert!(!end.is_empty());
    capture(&mut connection, &end).await;
}

async fn each_message_leaves_in_a_segment_of_its_own(wire: Wire) {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection.send(stream_head(wire, "a") + "\r\n\r\n").await;
    connection.head().await;
    let shown = async |id: &str| -> Vec<u8> {
        let view = server.get(&format!("/dashboard/bytes/a?id={id}")).await.json();
        let wires = view["wires"].as_array().expect("three").iter();
        let own = wires.clone().find(|view| view["wire"] == wire.name()).expect("this one");
        STANDARD.decode(own["message"].as_str().expect("base64")).expect("base64")
    };
    // Everything sent before the first message has arrived when the message has.
    let first = server.publish("a", "first").await;
    capture(&mut connection, &shown(&first).await).await;
    assert_eq!(connection.buffer, b"");
    for text in ["second", "third"] {
        let id = server.publish("a", text).await;
        let mut segment = [0; 4096];
        let read = connection.socket.read(&mut segment).await.expect("one read");
        assert_eq!(segment[..read], shown(&id).await);
    }
}

async fn the_response_head_it_shows_is_the_one_that_is_sent(wire: Wire) {
    for format in ["json", "raw"] {
        let server = Server::start().await;
        let client = "client-of-my-own-1";
        let asked = format!("client={client}&format={format}");
        let seen = server.get(&format!("/dashboard/seen?{asked}")).await.json();
        let told =
            STANDARD.decode(seen["heads"][wire.name()].as_str().expect("base64")).expect("base64");
        let mut connection = server.connect().await;
        let asked = stream_head(wire, &format!("a?{asked}"));
        connection
            .send(asked + "\r\nSec-WebSocket-Protocol: tricast.v1." + format + "\r\n\r\n")
            .await;
        while !connection.buffer.windows(4).any(|window| window == b"\r\n\r\n") {
            assert!(connection.more().await, "it ends: {:?}", connection.buffer);
        }
        // The HTTP library orders fields its own way; a minute may have passed, and each key has
        // its own accept value.
        let lines = |head: &[u8]| {
            let head = String::from_utf8_lossy(head).into_owned();
            let (head, _) = head.split_once("\r\n\r\n").expect("whole");
            let own = |line: &&str| {
                !line.starts_with("date: ") && !line.starts_with("sec-websocket-accept: ")
            };
            let mut lines: Vec<String> = head.lines().filter(own).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&told), lines(&connection.buffer));
        assert!(lines(&told).contains(&format!("tricast-client: {client}")));
    }
}

async fn a_client_can_close_only_its_own_streams(wire: Wire) {
    let server = Server::start().await;
    let (mine, other) = ("client-of-my-own-1", "client-of-another");
    let mut readers = Vec::new();
    for client in [mine, other] {
        let mut reader = Reader::open(&server, wire, &format!("a?client={client}")).await;
        reader.control("hello").await;
        readers.push(reader);
    }
    let cut = async |query: &str| server.post(&format!("/dashboard/cut?{query}"), "", b"").await;
    assert_eq!(cut("client=client-0123456789").await.json()["cut"], 0);
    let elsewhere = if wire == tricast_tests::Wire::Ws { "sse" } else { "ws" };
    assert_eq!(cut(&format!("client={mine}&wire={elsewhere}")).await.json()["cut"], 0);
    assert_eq!(cut(&format!("client={mine}&wire={}", wire.name())).await.json()["cut"], 1);
    let goodbye = readers[0].control("goodbye").await;
    assert_eq!((&goodbye["reason"], &goodbye["reconnect"]), (&"requested".into(), &"now".into()));
    if wire == tricast_tests::Wire::Sse {
        // For a browser that comes back by itself, now is soon too.
        assert_eq!(readers[0].retry, Some(200));
    }
    server.publish("a", "still here").await;
    assert_eq!(readers[1].data().await, "still here");
    for (query, problem) in [
        ("", "bad-parameter"),
        ("wire=ws", "bad-parameter"),
        ("client=short", "bad-client"),
        (&format!("client={mine}&wire=x"), "bad-parameter"),
    ] {
        assert_eq!(cut(query).await.problem(), problem, "{query}");
    }
}

async fn it_shows_what_proxies_added_and_no_secret() {
    let server = Server::start().await;
    let head = "GET /dashboard/seen?client=client-of-my-own-1 HTTP/1.1\r\nHost: t\r\n\
                Via: 1.1 a\r\nvia: 1.1 b\r\nCookie: secret\r\n\
                Authorization: secret\r\nX-Forwarded-For: 192.0.2.1";
    let answer = server.request(head, b"").await;
    assert_eq!(answer.fields["cache-control"], "no-store");
    assert!(!answer.text().contains("secret"));
    let seen = answer.json();
    assert_eq!(seen["http"], "HTTP/1.1");
    assert_eq!(seen["fields"]["via"], "1.1 a, 1.1 b");
    assert_eq!(seen["fields"]["x-forwarded-for"], "192.0.2.1");
    for (query, problem) in
        [("", "bad-parameter"), ("?client=short", "bad-client"), ("?x=1", "unknown-parameter")]
    {
        assert_eq!(
            server.get(&format!("/dashboard/seen{query}")).await.problem(),
            problem,
            "{query}"
        );
    }
}

async fn it_says_whether_tokens_can_be_verified() {
    let secret = "a secret that is long enough for HS256";
    for (settings, tokens) in [
        (String::new(), false),
        ("[[key]]\nname = \"shop\"\nhash = \"sha256:".to_owned() + &"0".repeat(64) + "\"", false),
        (format!("[tokens]\nsecret = \"{secret}\""), true),
    ] {
        let server = Server::with(&settings).await;
        let seen = server.get("/dashboard/seen?client=client-of-my-own-1").await;
        assert_eq!(seen.json()["tokens"], tokens, "{settings}");
        assert!(!seen.text().contains(secret));
    }
}

async fn bytes_are_shown_only_to_clients_that_may_read_the_channel() {
    let server = Server::with("[[namespace]]\npattern = \"closed\"\nsubscribe = \"nobody\"").await;
    let id = server.publish("open", "x").await;
    let get = async |target: &str| server.get(&format!("/dashboard/bytes/{target}")).await;
    let raw = get(&format!("open?id={id}&format=raw")).await.json();
    assert_eq!(raw["wires"][1]["message"], STANDARD.encode("2\r\nx\n\r\n"));
    assert_eq!(get(&format!("closed?id={id}")).await.status, 403);
    assert_eq!(get(&format!("other?id={id}")).await.problem(), "not-found");
    assert_eq!(get(&format!("open?id={}0", id)).await.problem(), "not-found");
    assert_eq!(get("open").await.problem(), "bad-parameter");
    assert_eq!(get("open?id=nonsense").await.problem(), "bad-resume");
}

tricast_tests::each_wire!(
    the_wire_view_shows_what_a_capture_shows,
    each_message_leaves_in_a_segment_of_its_own,
    the_response_head_it_shows_is_the_one_that_is_sent,
    a_client_can_close_only_its_own_streams
);

tricast_tests::each_delivery!(
    the_page_answers_under_a_strict_policy_and_is_fetched_once,
    the_dashboard_can_be_switched_off_with_its_endpoints,
    it_shows_what_proxies_added_and_no_secret,
    it_says_whether_tokens_can_be_verified,
    bytes_are_shown_only_to_clients_that_may_read_the_channel
);
