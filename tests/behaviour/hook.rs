//! The hook asks the user's own service; every answer that is not clearly yes is a refusal.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tricast_admission::KeyHash;
use tricast_tests::{
    Answer, Backend, Event, Reader, Reply, SECRET, Server, Wire, eventually, stream_head, token,
    token_of,
};

mod trouble;

const KEY: &str = "tricast_key_the-backend-that-is-asked-by-the-hook";

/// A gateway that asks `backend` about `on`. `more` is appended to [hook], and may open further
/// sections. The service has time for its answer: a question that is given up is another failure.
async fn server(backend: &Backend, on: &[&str], more: &str) -> Server {
    let timeout = if more.contains("timeout") { "" } else { "timeout = \"20s\"\n" };
    let url = backend.url();
    Server::with(&format!("[hook]\nurl = \"{url}\"\non = {on:?}\n{timeout}{more}")).await
}

fn with_tokens(more: &str) -> String {
    format!("{more}\n[tokens]\nsecret = \"{SECRET}\"")
}

/// The result of a request: the head of a stream, or a whole answer.
async fn outcome(server: &Server, head: &str) -> Answer {
    let mut connection = server.connect().await;
    connection.send(format!("{head}\r\n\r\n")).await;
    let head = connection.head().await;
    let body = match head.content_length() {
        Some(length) => connection.take(length).await,
        None => Vec::new(),
    };
    Answer { status: head.status, fields: head.fields, body }
}

async fn opens(server: &Server, wire: Wire, target: &str) -> Answer {
    outcome(server, &stream_head(wire, target)).await
}

fn is_open(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 101) && answer.body.is_empty()
}

/// Refused for now: a browser's EventSource needs the refusal inside a stream.
fn is_refused_for_now(wire: Wire, answer: &Answer) -> bool {
    match wire {
        Wire::Sse => answer.status == 200 && answer.text().contains("\"reason\":\"overloaded\""),
        Wire::Chunked | Wire::Ws => {
            answer.fields.contains_key("retry-after") && answer.problem() == "unavailable"
        }
    }
}

fn forbidden(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{answer:?}");
    answer.json()["detail"].as_str().expect("text").to_owned()
}

async fn calls(server: &Server, result: &str) -> f64 {
    server.metric(&format!("tricast_hook_calls_total{{result=\"{result}\"}}")).await
}

async fn an_allowed_client_still_has_the_rules_of_its_namespace(wire: Wire) {
    let backend = Backend::yes().await;
    let more = "headers = []\n[[namespace]]\npattern = \"closed\"\nsubscribe = \"nobody\"";
    let server = server(&backend, &["connect"], more).await;
    let mut reader = Reader::open(&server, wire, "a,b").await;
    let hello = reader.control("hello").await;
    assert_eq!(hello.get("user"), None);
    let question =
        json!({"event": "connect", "wire": wire.name(), "channels": ["a", "b"], "headers": {}});
    assert_eq!(backend.asked(), [question]);
    forbidden(&opens(&server, wire, "closed").await);
    assert_eq!(calls(&server, "allowed").await, 2.0);
}

async fn a_refusal_carries_its_reason(wire: Wire) {
    let backend = Backend::start(|_| {
        Reply::Json(json!({"allow": false, "reason": "your\r\naccount is locked"}))
    })
    .await;
    let server = server(&backend, &["connect"], "").await;
    let detail = forbidden(&opens(&server, wire, "a").await);
    assert_eq!(detail, "youraccount is locked");
    for (status, body, told) in [
        (403, r#"{"allow":false,"reason":"come back as a member"}"#, "come back as a member"),
        (401, "<html>who are you, and why</html>", "the service behind this gateway refuses it"),
    ] {
        backend.always(Reply::Status(status, body.to_owned()));
        assert_eq!(forbidden(&opens(&server, wire, "a").await), told);
    }
    backend.always(Reply::Json(json!({"allow": false, "reason": "x".repeat(1000)})));
    assert_eq!(forbidden(&opens(&server, wire, "a").await), "x".repeat(200));
    assert_eq!(server.gateway.connections(), 0);
    assert_eq!(calls(&server, "refused").await, 4.0);
}

/// The hook can name the user, as a token can.
async fn the_hook_can_name_the_user_of_an_anonymous_client(wire: Wire) {
    let expires = tricast_core::unix_millis() / 1000 + 3;
    let says = json!({"allow": true, "user": "alice", "subscribe": ["news.*"], "expires": expires});
    let backend = Backend::start(move |_| Reply::Json(says.clone())).await;
    let server = server(&backend, &["connect"], "[access]\nsubscribe = \"token\"").await;
    let mut reader = Reader::open(&server, wire, "news.a").await;
    assert_eq!(reader.control("hello").await["user"], "alice");
    reader.control("expiring").await;
    server.publish("@alice", "to her").await;
    assert_eq!(reader.data().await, "to her");
    forbidden(&opens(&server, wire, "other").await);
    // The stream ends at the time that the service gave.
    assert_eq!(reader.control("goodbye").await["reason"], "expired");
    backend.always(Reply::Json(
        json!({"allow": true, "user": "alice", "subscribe": ["**"], "expires": 1}),
    ));
    assert_eq!(opens(&server, wire, "a").await.problem(), "token-expired");
    // Without more than a yes it is still a stranger.
    backend.always(Reply::Json(json!({"allow": true})));
    assert_eq!(opens(&server, wire, "news.a").await.problem(), "token-missing");
}

/// The list also counts where the rules allow anyone.
async fn a_list_narrows_what_is_open_to_anyone(wire: Wire) {
    let backend = Backend::start(|_| Reply::Json(json!({"allow": true, "subscribe": ["a"]}))).await;
    let server = server(&backend, &["connect"], "").await;
    assert!(is_open(&opens(&server, wire, "a").await));
    forbidden(&opens(&server, wire, "a,b").await);
}

async fn a_token_is_narrowed_and_never_widened(wire: Wire) {
    let backend = Backend::start(|_| {
        Reply::Json(json!({"allow": true, "user": "alice", "subscribe": ["b", "c"]}))
    })
    .await;
    let server = server(&backend, &["connect"], &with_tokens("")).await;
    let alice = token("alice", &["a", "b"], &["a"]);
    let target = |channel: &str| format!("{channel}?token={alice}");
    assert!(is_open(&opens(&server, wire, &target("b")).await));
    assert_eq!(backend.asked()[0]["user"], "alice");
    assert!(
        !backend.calls()[0]
            .body
            .windows(20)
            .any(|part| alice.as_bytes().windows(20).any(|own| own == part)),
        "the token"
    );
    forbidden(&opens(&server, wire, &target("a")).await);
    forbidden(&opens(&server, wire, &target("c")).await);
    backend.always(Reply::Json(json!({"allow": true})));
    assert!(is_open(&opens(&server, wire, &target("a,b")).await), "not narrowed");
    for (says, bearer) in [
        (json!({"allow": true, "user": "bob"}), &alice),
        (json!({"allow": true, "user": "alice"}), &token_of(json!({"subscribe": ["a"]}), 60)),
    ] {
        backend.always(Reply::Json(says));
        let detail = forbidden(&opens(&server, wire, &format!("a?token={bearer}")).await);
        assert!(detail.contains("another user"), "{detail}");
    }
    // A token that does not hold is not worth a question.
    let before = backend.calls().len();
    assert_eq!(opens(&server, wire, "a?token=nonsense").await.problem(), "bad-token");
    assert_eq!(backend.calls().len(), before);
}

async fn an_invalid_answer_is_a_refusal(wire: Wire) {
    let backend = Backend::yes().await;
    let server =
        server(&backend, &["connect"], "timeout = \"300ms\"\nretries = 0\nopen_after = 0").await;
    let elsewhere = Backend::yes().await;
    let yes = r#"{"allow":true}"#;
    let long = format!("{}{yes}", " ".repeat(64 * 1024));
    let bad = [
        Reply::Nothing,
        Reply::HangUp,
        Reply::Status(500, yes.to_owned()),
        Reply::Status(404, yes.to_owned()),
        Reply::Status(204, String::new()),
        Reply::Json(json!("yes")),
        Reply::Json(json!({"allow": true, "publsh": []})),
        Reply::Status(200, "{\"allow\":true".to_owned()),
        Reply::Status(200, long),
        Reply::Raw("nonsense\r\n\r\n".to_owned()),
        Reply::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{yes}")),
        Reply::Raw(format!(
            "HTTP/1.1 307 -\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            elsewhere.url()
        )),
    ];
    let count = bad.len();
    for says in bad {
        backend.always(says.clone());
        let answer = opens(&server, wire, "a").await;
        assert!(is_refused_for_now(wire, &answer), "{says:?}: {answer:?}");
        let port = backend.address.port().to_string();
        assert!(!answer.text().contains(&port), "{answer:?}");
    }
    assert_eq!(elsewhere.calls().len(), 0, "nobody is redirected");
    assert_eq!(calls(&server, "failed").await, count as f64);
    drop(backend);
    assert!(is_refused_for_now(wire, &opens(&server, wire, "a").await), "nobody is there");
    assert_eq!(server.gateway.connections(), 0);
}

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

/// A client that may not subscribe may not read history either.
async fn reading_history_needs_the_same_answer_as_subscribing() {
    let backend =
        Backend::start(|call| Reply::Json(json!({"allow": call.json()["channel"] == "a"}))).await;
    let server = server(&backend, &["subscribe"], "headers = []").await;
    let about = |channel: &str| {
        let headers = json!({});
        json!({"event": "subscribe", "wire": "http", "channel": channel, "headers": headers})
    };
    assert_eq!(server.get("/history/a").await.status, 200);
    forbidden(&server.get("/history/b").await);
    assert_eq!(backend.asked(), [about("a"), about("b")]);
    assert_eq!(server.get("/online/a").await.status, 200);
    // A client that may publish there may still read online counts.
    assert_eq!(server.get("/online/b").await.status, 200);
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

/// A renewed token does not lift the limits that the service set.
async fn a_renewed_token_stays_narrowed() {
    let end = tricast_core::unix_millis() / 1000 + 30;
    let backend = Backend::start(move |_| {
        Reply::Json(json!({"allow": true, "subscribe": ["a"], "expires": end}))
    })
    .await;
    let server = server(&backend, &["connect"], &with_tokens("")).await;
    let first = token("alice", &["a"], &[]);
    let mut reader = Reader::open(&server, Wire::Ws, &format!("a?token={first}")).await;
    reader.control("hello").await;
    let next = token("alice", &["a", "b"], &["b"]);
    reader.send(&json!({"type": "renew", "token": next}).to_string()).await;
    assert_eq!(reader.control("ack").await["expires"], end * 1000);
    reader.send(r#"{"type":"subscribe","channel":"b"}"#).await;
    assert_eq!(reader.control("error").await["type"], "urn:tricast:forbidden");
    reader.send(r#"{"channel":"b","data":1}"#).await;
    reader.control("ack").await;
    assert_eq!(backend.calls().len(), 1, "asked once");
}

/// Otherwise a client could claim any user that the service knows.
async fn a_client_that_the_hook_decides_on_cannot_claim_a_user() {
    let backend = Backend::yes().await;
    let server = server(&backend, &["connect"], "").await;
    for path in ["/sse/a?user=alice", "/history/@alice?user=alice"] {
        assert_eq!(server.get(path).await.problem(), "bad-parameter");
    }
    assert_eq!(server.post("/publish/a?user=alice", "", b"x").await.problem(), "bad-parameter");
    assert_eq!(backend.calls().len(), 0);
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

/// A service that decides on connecting also decides on reading.
async fn a_client_that_may_not_connect_may_not_read_history_either() {
    let backend = Backend::start(|_| Reply::Json(json!({"allow": false}))).await;
    let server = server(&backend, &["connect"], "").await;
    for path in ["/history/a", "/online/a", "/channels"] {
        assert_eq!(server.get(path).await.problem(), "forbidden", "{path}");
    }
}

/// A list of channels would reveal the answer to each question.
async fn channels_are_not_listed_while_the_hook_decides_on_each() {
    let backend = Backend::yes().await;
    let server = server(&backend, &["subscribe"], "").await;
    assert_eq!(server.get("/channels").await.problem(), "forbidden");
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

tricast_tests::each_wire!(
    an_allowed_client_still_has_the_rules_of_its_namespace,
    a_refusal_carries_its_reason,
    the_hook_can_name_the_user_of_an_anonymous_client,
    a_list_narrows_what_is_open_to_anyone,
    a_token_is_narrowed_and_never_widened,
    an_invalid_answer_is_a_refusal,
    the_hook_is_asked_about_each_channel_of_a_stream,
    the_hook_is_never_asked_about_a_backend_with_a_key
);

tricast_tests::each_http_wire!(the_hook_is_asked_about_both_halves_of_a_post_that_subscribes);

tricast_tests::each_delivery!(
    the_hook_is_asked_only_what_the_settings_list,
    the_hook_is_asked_about_a_publish_with_its_size,
    reading_history_needs_the_same_answer_as_subscribing,
    the_hook_is_asked_about_commands_on_a_websocket,
    the_hook_is_asked_about_a_raw_websocket_which_it_can_end,
    a_renewed_token_stays_narrowed,
    a_client_that_the_hook_decides_on_cannot_claim_a_user,
    only_listed_headers_are_forwarded,
    a_call_is_signed_byte_for_byte,
    the_address_of_a_client_is_sent_if_it_is_known,
    a_client_that_may_not_connect_may_not_read_history_either,
    channels_are_not_listed_while_the_hook_decides_on_each,
    the_hook_is_asked_about_the_own_channel_of_a_claimed_user
);
