//! The questions: when the hook is asked, about what, and what a call looks like.

use super::*;

async fn the_hook_is_asked_about_each_channel_of_a_stream(wire: Wire) {
    let backend =
        Backend::start(|call| Reply::Json(json!({"allow": call.json()["channel"] != "b"}))).await;
    let server = server(&backend, &["subscribe"], "headers = []").await;
    assert!(is_open(&opens(&server, wire, "a,c?user=alice").await));
    let about = |channel: &str| {
        let wire = wire.name();
        json!({
            "event": "subscribe", "wire": wire, "channel": channel, "user": "alice", "headers": {},
        })
    };
    // A client that claims a user also needs a yes for that user's own channel.
    assert_eq!(backend.asked(), [about("a"), about("c"), about("@alice")]);
    forbidden(&opens(&server, wire, "a,b").await);
}

async fn the_hook_is_never_asked_about_a_backend_with_a_key(wire: Wire) {
    let backend = Backend::start(|_| Reply::Json(json!({"allow": false}))).await;
    let key = format!(
        "[[key]]\nname = \"shop\"\nhash = \"{}\"\nsubscribe = [\"**\"]\npublish = [\"**\"]",
        KeyHash::of(KEY)
    );
    let server = server(&backend, &["connect", "subscribe", "publish"], &key).await;
    let bearer = format!("Bearer {KEY}");
    let mut reader = Reader::open_with(&server, wire, "a", &[("Authorization", &bearer)]).await;
    reader.control("hello").await;
    let head = format!(
        "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nAuthorization: {bearer}"
    );
    assert_eq!(outcome(&server, &head).await.status, 200);
    assert_eq!(reader.data().await, "");
    assert_eq!(backend.calls().len(), 0);
    forbidden(&opens(&server, wire, "a").await);
}

async fn the_hook_is_asked_about_both_halves_of_a_post_that_subscribes(wire: Wire) {
    let backend = Backend::yes().await;
    let server = server(&backend, &["connect", "subscribe", "publish"], "headers = []").await;
    let post =
        format!("POST /{}/a HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\none", wire.name());
    let mut connection = server.connect().await;
    connection.send(&post).await;
    assert_eq!(connection.head().await.status, 200);
    let events: Vec<_> = backend.asked().iter().map(|one| one["event"].clone()).collect();
    assert_eq!(events, ["connect", "subscribe", "publish"]);
    assert_eq!(backend.asked()[2]["bytes"], 3);
    backend.answer(|call| Reply::Json(json!({"allow": call.json()["event"] != "publish"})));
    let mut connection = server.connect().await;
    connection.send(&post).await;
    assert_eq!(connection.head().await.status, 403);
}

async fn the_hook_is_asked_only_what_the_settings_list() {
    let backend = Backend::start(|_| Reply::Json(json!({"allow": false}))).await;
    let server = server(&backend, &["publish"], "").await;
    for wire in Wire::ALL {
        assert!(is_open(&opens(&server, wire, "a").await));
    }
    assert_eq!(server.get("/history/a").await.status, 200);
    assert_eq!(server.get("/online/a").await.status, 200);
    assert_eq!(backend.calls().len(), 0);
    forbidden(&server.post("/publish/a", "", b"x").await);
    assert_eq!(backend.calls().len(), 1);
}

async fn the_hook_is_asked_about_a_publish_with_its_size() {
    let backend = Backend::yes().await;
    let server = server(&backend, &["publish"], "headers = []").await;
    server.publish("a?user=alice", "hello").await;
    let question = |channel: &str| {
        let headers = json!({});
        json!({"event": "publish", "wire": "http", "channel": channel, "headers": headers})
    };
    let mut first = question("a");
    first["user"] = "alice".into();
    first["bytes"] = 5.into();
    assert_eq!(backend.asked(), [first]);
    // Many lines are one question, without a size.
    let lines = server.post("/publish/b", "application/x-ndjson", b"1\n2\n3\n").await;
    assert_eq!(lines.json()["published"], 3);
    assert_eq!(backend.asked()[1..], [question("b")]);
    backend.always(Reply::Json(json!({"allow": false})));
    forbidden(&server.post("/publish/b", "application/x-ndjson", b"1\n").await);
    assert_eq!(server.get("/history/b").await.json()["messages"].as_array().map(Vec::len), Some(3));
    // Requests that the gateway itself refuses make no question.
    let before = backend.calls().len();
    assert_eq!(server.post("/publish/b", "application/json", b"{").await.problem(), "bad-json");
    assert_eq!(backend.calls().len(), before);
}

async fn the_hook_is_asked_about_commands_on_a_websocket() {
    let backend = Backend::yes().await;
    let server = server(&backend, &["subscribe", "publish"], "headers = [\"cookie\"]").await;
    let mut reader =
        Reader::open_with(&server, Wire::Ws, "a?user=alice", &[("Cookie", "s=1")]).await;
    reader.control("hello").await;
    backend.answer(|call| {
        let call = call.json();
        Reply::Json(json!({"allow": call["channel"] != "closed", "reason": "closed for the night"}))
    });
    for (command, event) in [
        (r#"{"type":"subscribe","channel":"b"}"#, "tricast.ack"),
        (r#"{"type":"subscribe","channel":"closed"}"#, "tricast.error"),
        (r#"{"type":"history","channel":"closed"}"#, "tricast.error"),
        (r#"{"type":"publish","channel":"c","data":"four"}"#, "tricast.ack"),
        (r#"{"type":"publish","channel":"closed","data":"four"}"#, "tricast.error"),
    ] {
        reader.send(command).await;
        let document = reader.document().await;
        assert_eq!(document["event"], event, "{command}: {document}");
        if event == "tricast.error" {
            assert_eq!(document["type"], "urn:tricast:forbidden");
            assert_eq!(document["detail"], "closed for the night");
        }
    }
    // To unsubscribe and to answer pings needs no permission.
    for command in [r#"{"type":"unsubscribe","channel":"b"}"#, r#"{"type":"ping"}"#] {
        reader.send(command).await;
        reader.control("ack").await;
    }
    let asked = backend.asked();
    // The first two when the stream opened: its channel, and the user's own.
    assert_eq!(asked.len(), 7);
    for question in &asked {
        assert_eq!((&question["wire"], &question["user"]), (&json!("ws"), &json!("alice")));
        assert_eq!(question["headers"], json!({"cookie": "s=1"}), "what it came with");
    }
    assert_eq!((&asked[5]["event"], &asked[5]["bytes"]), (&json!("publish"), &json!(6)));
    backend.always(Reply::HangUp);
    reader.send(r#"{"channel":"a","data":1}"#).await;
    assert_eq!(reader.control("error").await["type"], "urn:tricast:unavailable");
}

async fn the_hook_is_asked_about_a_raw_websocket_which_it_can_end() {
    let backend = Backend::yes().await;
    let server = server(&backend, &["publish"], "retries = 0").await;
    for (says, end) in [
        (Reply::Json(json!({"allow": false})), (4201, "forbidden".to_owned())),
        (Reply::HangUp, (1013, "overloaded".to_owned())),
    ] {
        backend.always(Reply::Json(json!({"allow": true})));
        let mut reader = Reader::open(&server, Wire::Ws, "a?format=raw").await;
        reader.send("heard").await;
        let held = async || {
            let held = server.get("/history/a").await.json();
            held["messages"].as_array().is_some_and(|all| !all.is_empty()).then_some(())
        };
        eventually("it is published", held).await;
        backend.always(says);
        reader.send("not heard").await;

        assert_eq!(reader.raw_end().await, Event::End(Some(end)));
    }
    let texts = server.get("/history/a").await.text();
    assert!(!texts.contains("not heard"), "{texts}");
}

/// A user's own channel is added only for that user: here no user is verified.
async fn the_hook_is_asked_about_the_own_channel_of_a_claimed_user() {
    let backend =
        Backend::start(|call| Reply::Json(json!({"allow": call.json()["channel"] == "news"})))
            .await;
    let server = server(&backend, &["subscribe"], "").await;
    let mut reader = Reader::open(&server, Wire::Sse, "news?user=alice").await;
    reader.control("hello").await;
    server.publish("@alice", "secret").await;
    server.publish("news", "x").await;
    assert_eq!(reader.document().await["channel"], "news");
}

async fn only_listed_headers_are_forwarded() {
    let backend = Backend::yes().await;
    let server =
        server(&backend, &["connect"], "headers = [\"Cookie\", \"x-tenant\", \"X-None\"]").await;
    let head = format!(
        "{}\r\nCookie: a=1\r\nCookie: b=2\r\nX-Tenant: t\r\nX-Tenant: u\r\nX-Secret: s\r\n\
         Authorization: Basic eA==",
        stream_head(Wire::Sse, "a?_=1")
    );
    outcome(&server, &head).await;
    assert_eq!(backend.asked()[0]["headers"], json!({"cookie": "a=1; b=2", "x-tenant": "t, u"}));
    let call = &backend.calls()[0];
    assert_eq!(call.line, "POST /told HTTP/1.1");
    let mut names: Vec<_> = call.fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "content-type", "host", "user-agent"]);
    // A browser adds a cookie to requests of any page.
    for field in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"] {
        outcome(&server, &format!("{head}\r\n{field}")).await;
        let headers = backend.asked().pop().expect("asked")["headers"].take();
        assert_eq!(headers, json!({"x-tenant": "t, u"}), "{field}");
    }
}

async fn a_call_is_signed_byte_for_byte() {
    let backend = Backend::yes().await;
    let server = server(&backend, &["connect"], &format!("secret = \"{SECRET}\"")).await;
    opens(&server, Wire::Chunked, "a").await;
    let call = &backend.calls()[0];
    let field = &call.fields["tricast-signature"];
    let (time, signature) = field.split_once(",v1=").expect("two parts");
    let seconds = time.strip_prefix("t=").expect("a time");
    let age = tricast_core::unix_millis() / 1000 - seconds.parse::<u64>().expect("seconds");
    assert!(age < 10, "{field}");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(&[seconds.as_bytes(), b".", &call.body].concat());
    let own: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signature, own);
}

async fn the_address_of_a_client_is_sent_if_it_is_known() {
    let backend = Backend::yes().await;
    let more = "headers = []\n[proxy]\ntrusted = [\"127.0.0.0/8\"]";
    let server = server(&backend, &["connect"], more).await;
    let head = format!("{}\r\nX-Forwarded-For: 192.0.2.7", stream_head(Wire::Ws, "a"));
    assert!(is_open(&outcome(&server, &head).await));
    let asked: Vec<Value> = backend.asked();
    assert_eq!(asked[0]["address"], "192.0.2.7");
}

tricast_tests::each_wire!(
    the_hook_is_asked_about_each_channel_of_a_stream,
    the_hook_is_never_asked_about_a_backend_with_a_key
);

tricast_tests::each_http_wire!(the_hook_is_asked_about_both_halves_of_a_post_that_subscribes);

tricast_tests::each_delivery!(
    the_hook_is_asked_only_what_the_settings_list,
    the_hook_is_asked_about_a_publish_with_its_size,
    the_hook_is_asked_about_commands_on_a_websocket,
    the_hook_is_asked_about_a_raw_websocket_which_it_can_end,
    the_hook_is_asked_about_the_own_channel_of_a_claimed_user,
    only_listed_headers_are_forwarded,
    a_call_is_signed_byte_for_byte,
    the_address_of_a_client_is_sent_if_it_is_known
);
