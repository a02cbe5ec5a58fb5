//! How much may be said in a second, and when one may try again.

use serde_json::json;
use tricast_admission::KeyHash;
use tricast_tests::{Answer, Event, Reader, SECRET, Server, Wire, token};

const KEY: &str = "tricast_key_a-backend-of-the-tests-that-has-a-rate";

async fn post(server: &Server, channel: &str, bearer: &str) -> Answer {
    let head = format!(
        "POST /publish/{channel} HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nAuthorization: Bearer {bearer}"
    );
    server.request(&head, b"x").await
}

/// Two are let through at once; the third is told when to come back.
async fn third_is_too_fast(server: &Server, channel: &str, bearer: &str) {
    for _ in 0..2 {
        assert_eq!(post(server, channel, bearer).await.status, 200);
    }
    let answer = post(server, channel, bearer).await;
    assert_eq!((answer.status, answer.problem().as_str()), (429, "too-fast"));
    assert_eq!(answer.fields["retry-after"], "1", "whole seconds, rounded up");
}

#[tokio::test]
async fn users_keys_and_channels_have_a_rate() {
    let hash = KeyHash::of(KEY);
    let server = Server::with(&format!(
        "[[key]]\nname = \"k\"\nhash = \"{hash}\"\npublish = [\"**\"]
         [[namespace]]\npattern = \"slow.*\"\nmessages_per_second = 2
         [tokens]\nsecret = \"{SECRET}\"
         [rates]\nmessages_per_user = 2\nmessages_per_key = 4"
    ))
    .await;
    let (alice, bob) = (token("alice", &[], &["**"]), token("bob", &[], &["**"]));
    third_is_too_fast(&server, "a", &alice).await;
    assert_eq!(post(&server, "a", &bob).await.status, 200, "each user has its own");
    // The channel's is there for all together.
    third_is_too_fast(&server, "slow.a", KEY).await;
    assert_eq!(post(&server, "slow.b", KEY).await.status, 200, "each channel has its own");
    let held = server.metric("tricast_published_messages_total").await;
    assert_eq!(held, 6.0, "what is refused is not published");
}

#[tokio::test]
async fn addresses_have_a_rate_and_bytes_count() {
    let server = Server::with(
        "[limits]\nmessage_bytes = 1000
         [rates]\nmessages_per_address = 2\nbytes_per_address = 1000
         [proxy]\ntrusted = [\"127.0.0.1/32\"]",
    )
    .await;
    let post = async |address: &str, body: &[u8]| {
        let head = format!(
            "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\nX-Forwarded-For: {address}",
            body.len()
        );
        server.request(&head, body).await
    };
    for status in [200, 200, 429] {
        assert_eq!(post("192.0.2.1", b"x").await.status, status);
    }
    assert_eq!(post("192.0.2.2", &[b'x'; 900]).await.status, 200);
    assert_eq!(post("192.0.2.2", &[b'x'; 900]).await.problem(), "too-fast");
    for _ in 0..5 {
        assert_eq!(server.post("/publish/a", "", b"x").await.status, 200, "loopback is nobody's");
    }
}

/// A command is refused with a word, and the connection lives; a raw one has no word.
#[tokio::test]
async fn a_websocket_has_its_users_rate() {
    let server =
        Server::with(&format!("[tokens]\nsecret = \"{SECRET}\"\n[rates]\nmessages_per_user = 2"))
            .await;
    let alice = token("alice", &["a"], &["a"]);
    let mut reader = Reader::open(&server, Wire::Ws, &format!("a?token={alice}")).await;
    reader.control("hello").await;
    let mut refused = 0;
    for _ in 0..3 {
        reader.say(r#"{"data":1}"#).await;
        loop {
            let document = reader.document().await;
            match document["event"].as_str() {
                Some("tricast.ack") => break,
                Some("tricast.error") => {
                    assert_eq!(document["type"], json!("urn:tricast:too-fast"));
                    refused += 1;
                    break;
                }
                _ => {}
            }
        }
    }
    assert_eq!(refused, 1);
    let bob = token("bob", &["b"], &["b"]);
    let mut raw = Reader::open(
        &server,
        Wire::Ws,
        &format!("b?format=raw&client=tab-0123456789abcdef&token={bob}"),
    )
    .await;
    for _ in 0..3 {
        raw.say("x").await;
    }
    let end = loop {
        if let Ok(end @ Event::End(_)) = raw.try_next().await {
            break end;
        }
    };
    assert_eq!(end, Event::End(Some((1013, "overloaded".to_owned()))));
}

/// A stream of lines is slowed down, and nothing of it is lost.
#[tokio::test]
async fn a_stream_of_lines_waits() {
    let server =
        Server::with(&format!("[tokens]\nsecret = \"{SECRET}\"\n[rates]\nmessages_per_user = 20"))
            .await;
    let alice = token("alice", &[], &["a"]);
    let lines = "1\n".repeat(35);
    let head = format!(
        "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\nAuthorization: Bearer {alice}",
        lines.len()
    );
    let answer = server.request(&head, lines.as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["published"]), (200, &json!(35)));
}

/// Whoever says that it is alice uses up nothing of hers, and neither does one whose own address has nothing left.
#[tokio::test]
async fn nobody_uses_up_what_is_anothers() {
    let server = Server::with(
        "[rates]\nmessages_per_user = 2\nmessages_per_address = 2\n[limits]\nconnections_per_user = 1\n[proxy]\ntrusted = [\"127.0.0.1/32\"]",
    )
    .await;
    let post = async |address: &str| {
        let head = format!(
            "POST /publish/a?user=alice HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nX-Forwarded-For: {address}"
        );
        server.request(&head, b"x").await.status
    };
    let attacker: Vec<u16> =
        [post("192.0.2.66").await, post("192.0.2.66").await, post("192.0.2.66").await].into();
    assert_eq!(attacker, [200, 200, 429]);
    assert_eq!(post("192.0.2.1").await, 200);
    let _seats = (
        Reader::open(&server, Wire::Sse, "a?user=alice").await,
        Reader::open(&server, Wire::Sse, "a?user=alice").await,
    );
}
