//! The end of a WebSocket: peers that answer nothing, never finish a message, or do not answer a
//! close.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;
use tricast::settings::Delivery;
use tricast_tests::{Connection, Event, Reader, Server, Wire, delivery, eventually, stream_head};

const QUICK: &str = "[stream]\nheartbeat = \"100ms\"";

/// The close frame for an unresponsive peer.
const UNRESPONSIVE: &[u8] = b"\x88\x0e\x0f\xa2unresponsive";

/// A WebSocket that sends only what the test sends.
async fn silent_websocket(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect().await;
    connection.send(format!("{}\r\n\r\n", stream_head(Wire::Ws, target))).await;
    assert_eq!(connection.head().await.status, 101);
    connection
}

async fn expect_connections(server: &Server, count: usize) {
    eventually("as many are left", async || (server.gateway.connections() == count).then_some(()))
        .await;
}

async fn a_peer_that_answers_nothing_for_two_heartbeats_is_cut() {
    let server = Server::with(QUICK).await;
    let mut silent = silent_websocket(&server, "a").await;
    let said = silent.rest().await;
    assert!(said.ends_with(UNRESPONSIVE), "{:x?}", &said[said.len().saturating_sub(20)..]);
    let pings = said.windows(2).filter(|two| two[0] == 0x89 && two[1] < 40).count();
    assert_eq!(pings, 2, "{:?}", String::from_utf8_lossy(&said));
    let goodbye = "\"event\":\"tricast.goodbye\",\"reason\":\"unresponsive\",\"reconnect\":\"now\"";
    assert!(String::from_utf8_lossy(&said).contains(goodbye));
    assert_eq!(server.gateway.connections(), 0);
}

async fn a_peer_that_is_sent_much_still_has_to_answer_pings() {
    let server = Server::with(QUICK).await;
    let mut silent = silent_websocket(&server, "a").await;
    let mut raw = silent_websocket(&server, "a?format=raw").await;
    let publish = async {
        while server.gateway.connections() > 0 {
            server.publish("a", "x").await;
        }
    };
    let (silent, raw, ()) = tokio::join!(silent.rest(), raw.rest(), publish);
    assert!(silent.ends_with(UNRESPONSIVE) && raw.ends_with(UNRESPONSIVE));
}

async fn a_peer_that_answers_pings_stays() {
    // A client that is late with its pongs on a busy machine has a second for each.
    let server = Server::with("[stream]\nheartbeat = \"1s\"").await;
    let mut reader = Reader::open(&server, Wire::Ws, "a").await;
    reader.control("hello").await;
    let begin = Instant::now();
    let mut beats = 0;
    while beats < 4 {
        // The client's library answers pings while it reads.
        beats += u32::from(matches!(reader.next().await, Event::Heartbeat(Some(_))));
        server.publish("a", "x").await;
    }
    assert!(begin.elapsed() > Duration::from_millis(2500), "messages do not hurry them");
    assert_eq!(server.gateway.connections(), 1);
}

/// To drip bytes of a message that is never whole is no sign of life.
async fn a_message_that_is_never_finished_ends_the_connection() {
    let server = Server::with(QUICK).await;
    let mut dripping = silent_websocket(&server, "a").await;
    // More than can drip in until the test gives up.
    dripping.send(b"\x81\xfe\xff\xff\x00\x00\x00\x00{").await;
    while server.gateway.connections() > 0 {
        // The gateway may have closed in between.
        let _ = dripping.socket.write_all(b" ").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let said = dripping.rest().await;
    assert!(said.ends_with(UNRESPONSIVE), "{:x?}", &said[said.len().saturating_sub(20)..]);
}

/// Nor is it one to answer pings in the middle of it, for ever.
async fn a_message_in_pieces_that_never_end_ends_the_connection() {
    if delivery() == Delivery::Generic {
        // The library there keeps the pieces to itself; ARCHITECTURE.md says so.
        return;
    }
    let server = Server::with(QUICK).await;
    let mut dripping = silent_websocket(&server, "a").await;
    dripping.send(b"\x01\x81\x00\x00\x00\x00{").await;
    let begin = Instant::now();
    while server.gateway.connections() > 0 {
        let _ = dripping.socket.write_all(b"\x8a\x80\x00\x00\x00\x00").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begin.elapsed() < Duration::from_secs(10), "it is still there");
    }
    assert!(dripping.rest().await.ends_with(UNRESPONSIVE));
}

async fn a_reset_and_a_half_closed_peer_are_noticed_at_once() {
    // No heartbeat notices them.
    let server = Server::with("[stream]\nheartbeat = \"1h\"").await;
    let half_closed = silent_websocket(&server, "a").await;
    expect_connections(&server, 1).await;
    let socket = socket2::SockRef::from(&half_closed.socket);
    socket.shutdown(std::net::Shutdown::Write).expect("a socket");
    expect_connections(&server, 0).await;
    let reset = silent_websocket(&server, "a").await;
    expect_connections(&server, 1).await;
    let socket = socket2::SockRef::from(&reset.socket);
    socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    drop(reset);
    expect_connections(&server, 0).await;
}

/// A peer should answer the gateway's close frame; the gateway does not wait long for it.
async fn a_peer_that_does_not_answer_a_close_is_cut() {
    let server = Server::start().await;
    let mut connection = silent_websocket(&server, "a").await;
    expect_connections(&server, 1).await;
    let begin = Instant::now();
    server.publish("a?end=true", "over").await;
    let said = connection.rest().await;
    assert!(said.ends_with(b"\x88\x07\x03\xe8ended"), "{:?}", String::from_utf8_lossy(&said));
    let waited = begin.elapsed();
    assert!(waited > Duration::from_secs(4), "it had no time to answer: {waited:?}");
}

async fn a_peer_that_closes_in_return_ends_the_connection_at_once() {
    let server = Server::start().await;
    let mut silent = silent_websocket(&server, "a").await;
    let mut answers = silent_websocket(&server, "a").await;
    expect_connections(&server, 2).await;
    server.publish("a?end=true", "over").await;
    answers.send(b"\x88\x82\x00\x00\x00\x00\x03\xe8").await;
    tokio::select! {
        _ = answers.rest() => {}
        _ = silent.rest() => panic!("the one that is waited for ends first"),
    }
}

async fn a_close_code_that_may_not_be_sent_is_refused() {
    let server = Server::start().await;
    let (mut socket, _) = Reader::handshake(&server, "/ws/a?format=raw").await.expect("opens");
    let frame = b"\x88\x82\x00\x00\x00\x00\x03\xed";
    socket.get_mut().write_all(frame).await.expect("sends");
    let close = futures_util::StreamExt::next(&mut socket).await.expect("a frame").expect("reads");
    let Message::Close(Some(close)) = close else { panic!("{close:?}") };
    assert_eq!(u16::from(close.code), 1002);
}

/// Without chunks the end of the connection is the end of the data, unless it is a reset.
async fn a_gap_resets_a_raw_stream_over_http_1_0() {
    let server = Server::in_memory("[history]\nmessages = 1").await;
    let id = server.publish("a", "1").await.replace("-1", "-0");
    server.publish("a", "2").await;
    let mut connection = server.connect().await;
    let path = format!("/chunked/a?format=raw&last_event_id={id}");
    connection.send(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
    let mut bytes = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut connection.socket, &mut bytes).await;
    let error = end.expect_err("a reset").kind();
    assert_eq!(error, std::io::ErrorKind::ConnectionReset);
}

tricast_tests::each_delivery!(
    a_peer_that_answers_nothing_for_two_heartbeats_is_cut,
    a_peer_that_is_sent_much_still_has_to_answer_pings,
    a_peer_that_answers_pings_stays,
    a_message_that_is_never_finished_ends_the_connection,
    a_message_in_pieces_that_never_end_ends_the_connection,
    a_reset_and_a_half_closed_peer_are_noticed_at_once,
    a_peer_that_does_not_answer_a_close_is_cut,
    a_peer_that_closes_in_return_ends_the_connection_at_once,
    a_close_code_that_may_not_be_sent_is_refused,
    a_gap_resets_a_raw_stream_over_http_1_0
);
