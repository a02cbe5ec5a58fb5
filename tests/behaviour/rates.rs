//! Rate limits, and the time after which a client may retry.

use std::time::Instant;

use serde_json::json;
use tricast_admission::KeyHash;
use tricast_tests::{Answer, Event, Reader, SECRET, Server, Wire, token};

const KEY: &str = "tricast_key_a-backend-of-the-tests-that-has-a-rate";

async fn post(server: &Server, channel: &str, bearer: &str) -> Answer {
    let head = format!(
        "POST /publish/{channel} HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
         Authorization: Bearer {bearer}"
    );
    server.request(&head, b"x").await
}

/// The number of requests that a rate accepts: the burst, and what refills during the test.
struct Passed {
    rate: f64,
    begin: Instant,
    count: usize,
}

impl Passed {
    fn of(rate: f64) -> Self {
        Self { rate, begin: Instant::now(), count: 0 }
    }

    fn one_more(&mut self) {
        self.count += 1;
        let most = self.rate + self.rate * self.begin.elapsed().as_secs_f64();
        assert!(self.count as f64 <= most, "{} have passed, of {most}", self.count);
    }

    /// The next is refused; gives how many were not.
    fn no_more(self) -> usize {
        assert!(self.count >= self.rate as usize, "{} have passed, of {}", self.count, self.rate);
        self.count
    }
}

/// Posts until it is too fast for a rate of so much a second; gives how many were let through.
async fn count_accepted(rate: f64, post: impl AsyncFn() -> Answer) -> usize {
    let mut passed = Passed::of(rate);
    loop {
        let answer = post().await;
        if answer.status != 200 {
            assert_eq!((answer.status, answer.problem().as_str()), (429, "too-fast"));
            assert_eq!(answer.fields["retry-after"], "1", "whole seconds, rounded up");
            return passed.no_more();
        }
        passed.one_more();
    }
}

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
    let of_alice = count_accepted(2.0, async || post(&server, "a", &alice).await).await;
    assert_eq!(post(&server, "a", &bob).await.status, 200, "each user has its own");
    // The channel's is there for all together.
    let of_channel = count_accepted(2.0, async || post(&server, "slow.a", KEY).await).await;
    assert_eq!(post(&server, "slow.b", KEY).await.status, 200, "each channel has its own");
    let held = server.metric("tricast_published_messages_total").await;
    assert_eq!(held, (of_alice + of_channel + 2) as f64, "what is refused is not published");
}

async fn addresses_have_a_rate_and_bytes_count() {
    let server = Server::with(
        "[limits]\nmessage_bytes = 1000
         [rates]\nmessages_per_address = 2\nbytes_per_address = 1000
         [proxy]\ntrusted = [\"127.0.0.1/32\"]",
    )
    .await;
    let post = async |address: &str, body: &[u8]| {
        let head = format!(
            "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\
             X-Forwarded-For: {address}",
            body.len()
        );
        server.request(&head, body).await
    };
    count_accepted(2.0, async || post("192.0.2.1", b"x").await).await;
    count_accepted(1000.0 / 900.0, async || post("192.0.2.2", &[b'x'; 900]).await).await;
    for _ in 0..5 {
        assert_eq!(server.post("/publish/a", "", b"x").await.status, 200, "loopback is nobody's");
    }
}

/// A refused command gets an error, and the connection stays open; a raw connection has no errors.
async fn a_websocket_has_its_users_rate() {
    let server =
        Server::with(&format!("[tokens]\nsecret = \"{SECRET}\"\n[rates]\nmessages_per_user = 2"))
            .await;
    let alice = token("alice", &["a"], &["a"]);
    let mut reader = Reader::open(&server, Wire::Ws, &format!("a?token={alice}")).await;
    reader.control("hello").await;
    let mut passed = Passed::of(2.0);
    loop {
        reader.send(r#"{"data":1}"#).await;
        let answer = loop {
            let document = reader.document().await;
            if document["event"] == "tricast.ack" || document["event"] == "tricast.error" {
                break document;
            }
        };
        if answer["event"] == "tricast.error" {
            assert_eq!(answer["type"], json!("urn:tricast:too-fast"));
            break;
        }
        passed.one_more();
    }
    passed.no_more();
    let bob = token("bob", &["b"], &["b"]);
    let mut raw = Reader::open(
        &server,
        Wire::Ws,
        &format!("b?format=raw&client=tab-0123456789abcdef&token={bob}"),
    )
    .await;
    let end = loop {
        raw.send("x").await;
        // It receives its own messages, until it is too fast.
        let heard = loop {
            match raw.try_next().await {
                Ok(Event::Heartbeat(_)) => {}
                other => break other,
            }
        };
        if let Ok(end) = heard {
            break end;
        }
    };
    assert_eq!(end, Event::End(Some((1013, "overloaded".to_owned()))));
}

/// A stream of lines is slowed down, and nothing of it is lost.
async fn a_stream_of_lines_waits() {
    let server =
        Server::with(&format!("[tokens]\nsecret = \"{SECRET}\"\n[rates]\nmessages_per_user = 20"))
            .await;
    let alice = token("alice", &[], &["a"]);
    let lines = "1\n".repeat(35);
    let head = format!(
        "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\nAuthorization: Bearer {alice}",
        lines.len()
    );
    let answer = server.request(&head, lines.as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["published"]), (200, &json!(35)));
}

/// A client that only claims to be alice spends nothing of her rate, nor does one whose own address
/// has no rate left.
async fn no_client_spends_the_rate_of_another() {
    let server = Server::with(
        "[rates]\nmessages_per_user = 2\nmessages_per_address = 2\n[limits]\n\
         connections_per_user = 1\n[proxy]\ntrusted = [\"127.0.0.1/32\"]",
    )
    .await;
    let post = async |address: &str| {
        let head = format!(
            "POST /publish/a?user=alice HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
             X-Forwarded-For: {address}"
        );
        server.request(&head, b"x").await
    };
    count_accepted(2.0, async || post("192.0.2.66").await).await;
    assert_eq!(post("192.0.2.1").await.status, 200);
    let _seats = (
        Reader::open(&server, Wire::Sse, "a?user=alice").await,
        Reader::open(&server, Wire::Sse, "a?user=alice").await,
    );
}

tricast_tests::each_delivery!(
    users_keys_and_channels_have_a_rate,
    addresses_have_a_rate_and_bytes_count,
    a_websocket_has_its_users_rate,
    a_stream_of_lines_waits,
    no_client_spends_the_rate_of_another
);
