//! The answers: what each of them allows, narrows and refuses.

use super::*;

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

tricast_tests::each_wire!(
    an_allowed_client_still_has_the_rules_of_its_namespace,
    a_refusal_carries_its_reason,
    an_invalid_answer_is_a_refusal,
    the_hook_can_name_the_user_of_an_anonymous_client,
    a_list_narrows_what_is_open_to_anyone,
    a_token_is_narrowed_and_never_widened
);

tricast_tests::each_delivery!(
    a_renewed_token_stays_narrowed,
    reading_history_needs_the_same_answer_as_subscribing,
    a_client_that_the_hook_decides_on_cannot_claim_a_user,
    a_client_that_may_not_connect_may_not_read_history_either,
    channels_are_not_listed_while_the_hook_decides_on_each
);
