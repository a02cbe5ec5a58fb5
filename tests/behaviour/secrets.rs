//! No output contains a token or a key: no log at any level, no metric, error, page or dump of the
//! settings.

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tricast_admission::KeyHash;
use tricast_tests::{Connection, SECRET, Wire, stream_head, token, token_of};

const KEY: &str = "tricast_key_a-backend-of-the-tests-whose-key-is-a-secret";

async fn nothing_secret_is_ever_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    let hash = KeyHash::of(KEY);
    let settings = format!(
        "[[key]]\nname = \"shop\"\nhash = \"{hash}\"\npublish = [\"a\"]
         [tokens]\nsecret = \"{SECRET}\"\ncookie = \"session\"
         [logging]\nlevel = \"trace\""
    );
    std::fs::write(&file, settings).expect("writes");
    let mut command = tricast_tests::program::tricast();
    command.arg("--config").arg(&file);
    let (mut child, address, admin) = tricast_tests::program::start_both(&mut command).await;
    let mut log = child.stderr.take().expect("piped");
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        log.read_to_string(&mut text).await.expect("reads");
        text
    });

    let good = token("alice", &["a"], &["a"]);
    let expired = token_of(json!({"sub": "alice"}), -60);
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let secrets = [good.as_str(), &expired, &forged, KEY, "tricast_key_wrong-but-still-somebodys"];
    let mut told = String::new();
    for secret in secrets {
        for wire in Wire::ALL {
            let fields = [
                format!("\r\nAuthorization: Bearer {secret}"),
                format!("\r\nAuthorization: Bearer  {secret} x"),
                format!("\r\nCookie: session={secret}"),
                format!("\r\nSec-WebSocket-Protocol: tricast.v1.json, tricast.token.{secret}"),
            ];
            for field in fields {
                told +=
                    &ask(address, &format!("{}{field}", stream_head(wire, "a,other")), "").await;
            }
            told += &ask(address, &stream_head(wire, &format!("a?token={secret}")), "").await;
            told +=
                &ask(address, &stream_head(wire, &format!("a?token={secret}&token={secret}")), "")
                    .await;
            told += &ask(address, &stream_head(wire, &format!("a?token={secret}%zz")), "").await;
            told += &ask(address, &stream_head(wire, &format!("a?tokens={secret}")), "").await;
        }
        let publish =
            format!("POST /publish/a?token={secret} HTTP/1.1\r\nHost: t\r\nContent-Length: 1");
        told += &ask(address, &publish, "x").await;
        let publish = format!(
            "POST /publish/other HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
             Authorization: Bearer {secret}"
        );
        told += &ask(address, &publish, "x").await;
    }
    told += &ask(admin, "GET /metrics HTTP/1.1\r\nHost: localhost", "").await;
    told += &ask(admin, "GET /connections HTTP/1.1\r\nHost: localhost", "").await;
    told += &ask(address, "GET / HTTP/1.1\r\nHost: t", "").await;
    child.kill().await.expect("ends");
    let log = reading.await.expect("no panic");
    assert!(
        log.contains("refused") && log.contains("bad-token"),
        "the refusals are in the log: {log}"
    );
    for secret in secrets.into_iter().chain([SECRET]) {
        // Also not a part of it that would be enough to recognize or to use it.
        let part = &secret[secret.len() - 12..];
        assert!(!log.contains(part), "{part} in {}", line_with(&log, part));
        assert!(!told.contains(part), "{part} in {}", line_with(&told, part));
    }
}

/// Sends a request; returns the response up to the end of its head, or of its body if that is
/// short.
async fn ask(address: std::net::SocketAddr, head: &str, body: &str) -> String {
    let mut connection = Connection::open(address).await;
    connection.send(format!("{head}\r\n\r\n{body}")).await;
    let head = connection.head().await;
    let body = match head.content_length() {
        Some(length) => connection.take(length).await,
        None => Vec::new(),
    };
    format!("{:?}\n{}\n", head, String::from_utf8_lossy(&body))
}

fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_default()
}

tricast_tests::each_delivery!(nothing_secret_is_ever_written);
