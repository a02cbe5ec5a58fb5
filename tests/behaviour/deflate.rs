//! permessage-deflate (RFC 7692) as literal bytes. The Autobahn suite and real clients show that
//! others can read it.

use tricast_tests::{Connection, Server, Wire, delivery, stream_head};

const SETTINGS: &str = "[ws]\ncompression = true";

/// A WebSocket, and what the answer says of extensions.
async fn open(server: &Server, target: &str, offer: &str) -> (Connection, Option<String>) {
    let mut connection = server.connect().await;
    let head = stream_head(Wire::Ws, target);
    connection.send(format!("{head}\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n")).await;
    let head = connection.head().await;
    assert_eq!(head.status, 101, "{head:?}");
    (connection, head.fields.get("sec-websocket-extensions").cloned())
}

/// The next frame: first byte and payload, which is no longer than 65,535 bytes.
async fn frame(connection: &mut Connection) -> (u8, Vec<u8>) {
    let head = connection.take(2).await;
    let length = match head[1] {
        126 => {
            let long = connection.take(2).await;
            usize::from(u16::from_be_bytes([long[0], long[1]]))
        }
        short => usize::from(short),
    };
    (head[0], connection.take(length).await)
}

fn is_generic() -> bool {
    delivery() == tricast::settings::Delivery::Generic
}

async fn a_message_is_compressed_once_for_all_clients_that_negotiated_it() {
    let server = Server::with(SETTINGS).await;
    let offer = "permessage-deflate; client_max_window_bits";
    let (mut one, answer) = open(&server, "a?format=raw", offer).await;
    if is_generic() {
        assert_eq!(answer, None, "that library has no compression");
        return;
    }
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer.as_deref(), Some(agreed));
    let (mut two, _) = open(&server, "a?format=raw", offer).await;
    let (mut small, answer) =
        open(&server, "a?format=raw", "permessage-deflate; server_max_window_bits=10").await;
    assert_eq!(answer, Some(format!("{agreed}; server_max_window_bits=10")));
    let mut plain = server.connect().await;
    plain.send(format!("{}\r\n\r\n", stream_head(Wire::Ws, "a?format=raw"))).await;
    assert!(!plain.head().await.fields.contains_key("sec-websocket-extensions"));

    let text = "the same again, ".repeat(100);
    for _ in 0..2 {
        server.publish("a", &text).await;
        let first = frame(&mut one).await;
        assert!(first.0 == 0xc1 && first.1.len() * 10 < text.len(), "{first:x?}");
        assert_eq!(first, frame(&mut two).await, "the same bytes for both");
        assert_eq!(frame(&mut small).await.0, 0xc1);
        assert_eq!(frame(&mut plain).await, (0x81, text.clone().into_bytes()));
    }
    // Data that hardly shrinks is sent uncompressed.
    server.publish("a", "short").await;
    assert_eq!(frame(&mut one).await, (0x81, b"short".to_vec()));
}

async fn compressed_commands_are_read_and_a_bomb_is_refused() {
    let server = Server::with(&format!("{SETTINGS}\n[limits]\nmessage_bytes = 1000")).await;
    let (mut one, answer) = open(&server, "a?format=raw", "permessage-deflate").await;
    assert_eq!(answer.is_none(), is_generic(), "{answer:?}");
    if is_generic() {
        // Then it breaks the rules to send something compressed.
        one.send(b"\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00").await;
        assert_eq!(frame(&mut one).await, (0x88, b"\x03\xeaprotocol".to_vec()));
        return;
    }
    // "Hello" of RFC 7692 §7.2.3.1, masked with zeros.
    one.send(b"\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00").await;
    assert_eq!(frame(&mut one).await, (0x81, b"Hello".to_vec()));
    // 4,000 times the same letter.
    let bomb =
        b"\xec\xc1\x31\x01\x00\x00\x00\xc2\xa0\xac\xeb\x5f\xc2\x18\x3e\x40\x01\x00\x00\x00\x6f\x03";
    one.send([&b"\xc1\x96\x00\x00\x00\x00"[..], bomb].concat()).await;
    assert_eq!(frame(&mut one).await, (0x88, b"\x03\xf1too-large".to_vec()));
}

async fn it_is_off_unless_it_is_asked_for() {
    let server = Server::start().await;
    assert_eq!(open(&server, "a", "permessage-deflate").await.1, None);
}

tricast_tests::each_delivery!(
    a_message_is_compressed_once_for_all_clients_that_negotiated_it,
    compressed_commands_are_read_and_a_bomb_is_refused,
    it_is_off_unless_it_is_asked_for
);
