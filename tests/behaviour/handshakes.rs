//! The opening handshake of a WebSocket (RFC 6455 §4.2.1): what is not exactly right is refused.

use tricast_tests::{Answer, Server};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket";

/// Sends a handshake of these fields to `/ws` and `/stream`, whose answers are the same.
async fn status_of(server: &Server, fields: &[&str]) -> u16 {
    let mut statuses = Vec::new();
    for path in ["ws", "stream"] {
        let mut connection = server.connect().await;
        let fields = fields.join("\r\n");
        connection.send(format!("GET /{path}/a HTTP/1.1\r\nHost: t\r\n{fields}\r\n\r\n")).await;
        statuses.push(connection.head().await.status);
    }
    assert_eq!(statuses[0], statuses[1], "{fields:?}");
    statuses[0]
}

async fn refusal_of(server: &Server, fields: &[&str]) -> Answer {
    let fields = fields.join("\r\n");
    server.request(&format!("GET /ws/a HTTP/1.1\r\nHost: t\r\n{fields}"), b"").await
}

async fn a_key_is_sixteen_bytes_in_base64_and_is_given_once() {
    let server = Server::start().await;
    for key in [
        "!!!!!!!!!!!!!!!!!!!!!!==",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA=",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub2-jZQ==",
        "",
    ] {
        let key = format!("Sec-WebSocket-Key: {key}");
        let refused = refusal_of(&server, &[UPGRADE, VERSION, &key]).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-parameter"), "{key}");
        assert_eq!(refused.json()["parameter"], "Sec-WebSocket-Key");
        assert_eq!(status_of(&server, &[UPGRADE, VERSION, &key]).await, 400);
    }
    assert_eq!(status_of(&server, &[UPGRADE, VERSION, KEY, KEY]).await, 400, "twice");
    assert_eq!(status_of(&server, &[UPGRADE, VERSION]).await, 400, "none");
    // The last bits of the last letter belong to no byte.
    let loose = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==";
    assert_eq!(status_of(&server, &[UPGRADE, VERSION, loose]).await, 101);
}

async fn the_version_is_13_and_is_given_once() {
    let server = Server::start().await;
    for version in ["8", "13, 8", "8, 13", "013", ""] {
        let version = format!("Sec-WebSocket-Version: {version}");
        let refused = refusal_of(&server, &[UPGRADE, &version, KEY]).await;
        assert_eq!((refused.status, refused.problem().as_str()), (426, "upgrade-required"));
        assert_eq!(refused.fields["sec-websocket-version"], "13", "{version}");
    }
    for fields in [
        &[UPGRADE, KEY][..],
        &[UPGRADE, VERSION, VERSION, KEY],
        &[UPGRADE, VERSION, "Sec-WebSocket-Version: 8", KEY],
    ] {
        assert_eq!(status_of(&server, fields).await, 426, "{fields:?}");
    }
}

async fn upgrade_and_connection_are_lists() {
    let server = Server::start().await;
    for upgrade in [
        "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket",
        "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: foo/1, websocket",
        "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket",
    ] {
        assert_eq!(status_of(&server, &[upgrade, VERSION, KEY]).await, 101, "{upgrade}");
    }
    for upgrade in [
        "Connection: Upgrade\r\nUpgrade: websocket2",
        "Connection: Upgrade\r\nUpgrade: \"websocket\"",
        "Connection: keep-alive\r\nUpgrade: websocket",
        "Connection: Upgrade",
    ] {
        let refused = refusal_of(&server, &[upgrade, VERSION, KEY]).await;
        assert_eq!(refused.problem(), "upgrade-required", "{upgrade}");
    }
}

/// Two that differ are as ambiguous here as anywhere else.
async fn two_tokens_among_the_subprotocols_are_refused() {
    let server = Server::start().await;
    let offer = "Sec-WebSocket-Protocol: tricast.v1.json, tricast.token.a";
    for second in [", tricast.token.b", "\r\nSec-WebSocket-Protocol: tricast.token.b"] {
        let offer = format!("{offer}{second}");
        let refused = refusal_of(&server, &[UPGRADE, VERSION, KEY, &offer]).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-parameter"));
        assert_eq!(refused.json()["parameter"], "Sec-WebSocket-Protocol");
    }
    let offer = format!("{offer}, tricast.token.a");
    let refused = refusal_of(&server, &[UPGRADE, VERSION, KEY, &offer]).await;
    assert_eq!(refused.problem(), "token-unsupported", "equal ones count once");
}

/// Its bytes would be taken for frames.
async fn a_handshake_with_a_body_is_refused() {
    let server = Server::start().await;
    for (length, body) in [
        ("Content-Length: 3", "abc"),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
    ] {
        for path in ["ws", "stream"] {
            for together in [true, false] {
                let mut connection = server.connect().await;
                let head = format!(
                    "GET /{path}/a HTTP/1.1\r\nHost: t\r\n{UPGRADE}\r\n{VERSION}\r\n{KEY}\
                     \r\n{length}\r\n\r\n"
                );
                match together {
                    true => connection.send(format!("{head}{body}")).await,
                    false => connection.send(head).await,
                }
                assert_eq!(connection.head().await.status, 400, "{path}: {length}");
                // The gateway may have closed the connection.
                let _ = together || connection.try_send(body).await;
            }
        }
    }
    assert_eq!(server.gateway.connections(), 0);
    assert_eq!(status_of(&server, &[UPGRADE, VERSION, KEY, "Content-Length: 0"]).await, 101);
}

/// A client may send its first frames with its handshake.
async fn frames_right_behind_a_handshake_are_read() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let head = format!("GET /ws/a HTTP/1.1\r\nHost: t\r\n{UPGRADE}\r\n{VERSION}\r\n{KEY}\r\n\r\n");
    let ping = b"\x89\x81\0\0\0\0x";
    connection.send([head.as_bytes(), ping].concat()).await;
    assert_eq!(connection.head().await.status, 101);
    while !connection.buffer.windows(3).any(|bytes| bytes == b"\x8a\x01x") {
        assert!(connection.more().await, "no pong: {:?}", connection.buffer);
    }
}

tricast_tests::each_delivery!(
    a_key_is_sixteen_bytes_in_base64_and_is_given_once,
    the_version_is_13_and_is_given_once,
    upgrade_and_connection_are_lists,
    two_tokens_among_the_subprotocols_are_refused,
    a_handshake_with_a_body_is_refused,
    frames_right_behind_a_handshake_are_read
);
