//! A service that fails, is slow, or is asked too much: tries, the circuit, kept answers, places.

use std::time::Duration;

use socket2::SockRef;
use tricast_tests::Way;

use super::*;

async fn a_failed_question_is_retried() {
    let mut first = true;
    let backend = Backend::start(move |_| match std::mem::take(&mut first) {
        true => Reply::Status(502, String::new()),
        false => Reply::Json(json!({"allow": true})),
    })
    .await;
    let server = server(&backend, &["connect"], "retries = 2").await;
    assert!(is_open(&opens(&server, Wire::Chunked, "a").await));
    let asked = backend.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
    backend.always(Reply::HangUp);
    assert!(is_refused_for_now(Wire::Chunked, &opens(&server, Wire::Chunked, "a").await));
    assert_eq!(backend.calls().len(), 5, "once, and twice again");
    // A no is an answer.
    backend.always(Reply::Status(403, String::new()));
    forbidden(&opens(&server, Wire::Chunked, "a").await);
    assert_eq!(backend.calls().len(), 6);
    assert_eq!((calls(&server, "allowed").await, calls(&server, "failed").await), (1.0, 1.0));
}

/// A gateway that has asked twice in vain, and does not ask again for so long; its service would
/// now say yes.
async fn open_circuit(backend: &Backend, open_for: &str) -> Server {
    let more = format!("retries = 0\nopen_after = 2\nopen_for = \"{open_for}\"");
    let server = server(backend, &["connect"], &more).await;
    for _ in 0..2 {
        assert!(is_refused_for_now(Wire::Ws, &opens(&server, Wire::Ws, "a").await));
    }
    backend.always(Reply::Json(json!({"allow": true})));
    server
}

async fn a_service_that_keeps_failing_is_not_asked_for_a_while() {
    let backend = Backend::start(|_| Reply::Status(503, String::new())).await;
    let server = open_circuit(&backend, "1h").await;
    let answer = opens(&server, Wire::Ws, "a").await;
    assert!(is_refused_for_now(Wire::Ws, &answer), "{answer:?}");
    assert!(answer.fields["retry-after"].parse::<u32>().is_ok_and(|left| left > 3000));
    assert_eq!(backend.calls().len(), 2, "nobody was asked");
    assert_eq!(calls(&server, "open").await, 1.0);
}

async fn a_service_that_was_not_asked_for_a_while_is_asked_again() {
    let backend = Backend::start(|_| Reply::Status(503, String::new())).await;
    let server = open_circuit(&backend, "700ms").await;
    eventually("it is asked again", async || {
        is_open(&opens(&server, Wire::Ws, "a").await).then_some(())
    })
    .await;
    assert_eq!(backend.calls().len(), 3);
}

async fn an_answer_holds_for_the_same_question_and_no_other() {
    let backend = Backend::yes().await;
    let on = ["connect", "publish"];
    let server = server(&backend, &on, "cache = \"1h\"\nheaders = [\"cookie\"]\nretries = 0").await;
    let ask = async |target: &str, cookie: &str| {
        let head = format!("{}\r\nCookie: {cookie}", stream_head(Wire::Chunked, target));
        outcome(&server, &head).await
    };
    for _ in 0..3 {
        assert!(is_open(&ask("a", "s=1").await));
    }
    assert_eq!(backend.calls().len(), 1);
    ask("a", "s=2").await;
    ask("b", "s=1").await;
    assert_eq!(backend.calls().len(), 3, "another cookie, another channel");
    // Of any size.
    for text in ["x", "xx"] {
        server.publish("a", text).await;
    }
    assert_eq!(backend.calls().len(), 4);
    // A no is kept too, a failure never is.
    backend.always(Reply::Json(json!({"allow": false})));
    for _ in 0..2 {
        forbidden(&ask("c", "s=1").await);
    }
    assert_eq!(backend.calls().len(), 5);
    backend.always(Reply::HangUp);
    for _ in 0..2 {
        assert!(is_refused_for_now(Wire::Chunked, &ask("d", "s=1").await));
    }
    assert_eq!(backend.calls().len(), 7);
    assert_eq!(calls(&server, "cached").await, 4.0);
    // Nor is an answer kept beyond its own end.
    let ends = || json!({"allow": true, "expires": tricast_core::unix_millis() / 1000 + 2});
    backend.answer(move |_| Reply::Json(ends()));
    assert!(is_open(&ask("e", "s=1").await));
    eventually("it is asked again", async || {
        assert!(is_open(&ask("e", "s=1").await), "never by an answer that is over");
        (backend.calls().len() == 9).then_some(())
    })
    .await;
}

async fn equal_questions_at_once_are_asked_once() {
    let permits = Arc::new(Semaphore::new(0));
    let yes = Reply::Json(json!({"allow": true}));
    let backend = Backend::start(|_| Reply::Nothing).await;
    backend.always(Reply::Once(permits.clone(), Box::new(yes)));
    let server = server(&backend, &["connect"], "cache = \"1h\"\ntimeout = \"20s\"").await;
    let crowd = (0..20).map(|_| opens(&server, Wire::Chunked, "a"));
    let release = async {
        eventually("all have come", async || {
            let sockets = server.metric("tricast_sockets").await;
            (sockets >= 21.0 && backend.calls().len() == 1).then_some(())
        })
        .await;
        permits.add_permits(1);
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(crowd), release);
    assert!(answers.iter().all(is_open));
    assert_eq!(backend.calls().len(), 1);
    assert_eq!((calls(&server, "allowed").await, calls(&server, "cached").await), (1.0, 19.0));
}

/// Each connection that asks is one that no client can have.
async fn questions_at_once_are_limited() {
    let permits = Arc::new(Semaphore::new(0));
    let backend = Backend::yes().await;
    let yes = Reply::Json(json!({"allow": true}));
    backend.always(Reply::Once(permits.clone(), Box::new(yes)));
    let server = server(&backend, &["connect"], "at_once = 2\ntimeout = \"20s\"").await;
    let crowd = (0..6).map(|_| opens(&server, Wire::Chunked, "a"));
    let release = async {
        let all = async || (server.metric("tricast_sockets").await >= 7.0).then_some(());
        eventually("all have come", all).await;
        for turn in 1..=3 {
            let asked = async || (backend.calls().len() >= 2 * turn).then_some(());
            eventually("two more are asked about", asked).await;
            assert_eq!(backend.calls().len(), 2 * turn);
            permits.add_permits(2);
        }
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(crowd), release);
    assert!(answers.iter().all(is_open));
}

/// Clients that give up must not take the places of those that wait.
async fn a_client_that_leaves_while_the_hook_is_asked_gives_its_place_back(wire: Wire) {
    let backend = Backend::start(|_| Reply::Nothing).await;
    let more = "at_once = 1\ntimeout = \"30s\"\nretries = 0";
    let server = server(&backend, &["connect"], more).await;
    let mut half_closed = Vec::new();
    let ways: &[&str] = match (Way::under_test(), wire) {
        // The end of what its client sends is read once a tunnel is open.
        (Way::Http2, Wire::Ws) => &["resets"],
        _ => &["closes", "resets", "closes its sending side"],
    };
    for (before, way) in ways.iter().copied().enumerate() {
        let mut connection = server.connect().await;
        connection.send(format!("{}\r\n\r\n", stream_head(wire, "a"))).await;
        let asked = async || (backend.calls().len() == before + 1).then_some(());
        eventually(&format!("the hook is asked before it {way}"), asked).await;
        let socket = SockRef::from(&connection.socket);
        match way {
            "resets" => socket.set_linger(Some(Duration::ZERO)).expect("a socket"),
            "closes" => {}
            _ => {
                socket.shutdown(std::net::Shutdown::Write).expect("a socket");
                half_closed.push(connection);
            }
        }
    }
    backend.always(Reply::Json(json!({"allow": true})));
    assert!(is_open(&opens(&server, wire, "a").await));
}

/// A client's request may make the service fail; the circuit must not open for all other clients.
async fn no_client_can_open_the_circuit_for_others() {
    let backend = Backend::start(|call| match call.json()["headers"]["cookie"].as_str() {
        Some("s=bad") => Reply::Status(500, String::new()),
        _ => Reply::Json(json!({"allow": true})),
    })
    .await;
    let more = "retries = 0\nopen_after = 2\nopen_for = \"1h\"\nheaders = [\"cookie\"]";
    let server = server(&backend, &["connect"], more).await;
    for _ in 0..10 {
        let head = format!("{}\r\nCookie: s=bad", stream_head(Wire::Chunked, "a"));
        assert_eq!(server.request(&head, b"").await.status, 503);
    }
    assert!(is_open(&opens(&server, Wire::Chunked, "a").await));
}

/// A message that waits for the hook is bounded by the hook's own limits.
async fn a_slow_hook_does_not_use_up_the_memory_for_bodies() {
    let backend = Backend::start(|_| Reply::Nothing).await;
    let limits = "[limits]\nmessage_bytes = \"40KiB\"\nbody_memory = \"64KiB\"";
    let server = server(&backend, &["publish"], &format!("timeout = \"30s\"\n{limits}")).await;
    let mut waiting = Vec::new();
    // Bodies of different sizes are different questions.
    for (asked, bytes) in [(1, 39_000), (2, 38_000)] {
        let mut connection = server.connect().await;
        let head = stream_head(Wire::Chunked, "a").replacen("GET", "POST", 1);
        connection.send(format!("{head}\r\nContent-Length: {bytes}\r\n\r\n")).await;
        connection.send(vec![b'x'; bytes]).await;
        waiting.push(connection);
        eventually("the hook is asked", async || (backend.calls().len() == asked).then_some(()))
            .await;
    }
}

tricast_tests::each_delivery!(
    a_slow_hook_does_not_use_up_the_memory_for_bodies,
    a_failed_question_is_retried,
    a_service_that_keeps_failing_is_not_asked_for_a_while,
    a_service_that_was_not_asked_for_a_while_is_asked_again,
    an_answer_holds_for_the_same_question_and_no_other,
    equal_questions_at_once_are_asked_once,
    questions_at_once_are_limited,
    no_client_can_open_the_circuit_for_others
);
tricast_tests::each_wire_and_transport!(
    a_client_that_leaves_while_the_hook_is_asked_gives_its_place_back
);
