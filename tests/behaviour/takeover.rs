//! The handover of a connection from the HTTP library to its stream: no byte is lost or sent twice,
//! whether bytes arrive early, late, in pieces or not at all.

use std::{fs, time::Duration};

use serde_json::json;
use socket2::SockRef;
use tokio::net::TcpSocket;
use tricast_tests::{Connection, Server, Wire, eventually, stream_head};

use tricast_tests::program;

/// A text frame as a client sends it (RFC 6455 §5.2), masked with zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    assert!(text.len() < 126);
    frame.extend(text.as_bytes());
    frame
}

/// Reads on until `word` has arrived; returns everything read.
async fn read_until(connection: &mut Connection, word: &str) -> String {
    loop {
        let text = String::from_utf8_lossy(&connection.buffer).into_owned();
        if text.contains(word) {
            return text;
        }
        assert!(connection.more().await, "no {word} in {text}");
    }
}

async fn expect_open_stream(server: &Server, connection: &mut Connection, wire: Wire) {
    let head = connection.head().await;
    assert_eq!(head.status, if wire == Wire::Ws { 101 } else { 200 });
    read_until(connection, "tricast.hello").await;
    server.publish("a", "the-message").await;
    let text = read_until(connection, "the-message").await;
    assert_eq!(
        text.matches("tricast.hello").count(),
        if wire == Wire::Sse { 2 } else { 1 },
        "{text}"
    );
}

async fn a_request_cut_anywhere_opens_the_same_stream(wire: Wire) {
    let server = Server::start().await;
    let request = format!("{}\r\n\r\n", stream_head(wire, "a"));
    for cut in 1..request.len() {
        let mut connection = server.connect().await;
        connection.send(&request[..cut]).await;
        tokio::task::yield_now().await;
        connection.send(&request[cut..]).await;
        connection.head().await;
        read_until(&mut connection, "tricast.hello").await;
    }
    let mut connection = server.connect().await;
    for byte in request.as_bytes() {
        connection.send([*byte]).await;
    }
    expect_open_stream(&server, &mut connection, wire).await;
}

/// Also when the client is slow to take the answer before.
async fn answers_before_the_stream_come_whole_and_first(wire: Wire) {
    let server = Server::start().await;
    let large = "x".repeat(900_000);
    server.publish("b", &large).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    let socket =
        socket.connect(server.gateway.address().expect("one in clear")).await.expect("connects");
    let mut connection = Connection { socket, buffer: Vec::new() };
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
    let requests = [ask("/online/a"), ask("/history/b"), ask("/online/a"), stream_head(wire, "a")];
    connection.send(format!("{}\r\n\r\n", requests.concat())).await;
    for (channel, size) in [("a", 0), ("b", 900_000), ("a", 0)] {
        let head = connection.head().await;
        let length = head.content_length().expect("a length");
        let body = String::from_utf8(connection.take(length).await).expect("UTF-8");
        assert!(body.contains(&format!("\"channel\":\"{channel}\"")) && body.len() > size);
    }
    expect_open_stream(&server, &mut connection, wire).await;
}

async fn bytes_sent_with_the_handshake_are_read_once() {
    let server = Server::start().await;
    let request = format!("{}\r\n\r\n", stream_head(Wire::Ws, "a")).into_bytes();
    let said = text_frame(r#"{"data":"early","skip_self":true,"ref":"early"}"#);
    let all = [request.clone(), said.clone(), said].concat();
    for cut in request.len() - 2..all.len() {
        let published = server.get("/history/a").await.json()["messages"].as_array().map(Vec::len);
        let mut connection = server.connect().await;
        connection.send(&all[..cut]).await;
        tokio::task::yield_now().await;
        connection.send(&all[cut..]).await;
        assert_eq!(connection.head().await.status, 101);
        loop {
            let text = String::from_utf8_lossy(&connection.buffer).into_owned();
            if text.matches("\"ref\":\"early\"").count() == 2 {
                break;
            }
            assert!(connection.more().await, "{text}");
        }
        let now = server.get("/history/a").await.json()["messages"].as_array().map(Vec::len);
        assert_eq!(now, published.map(|count| count + 2), "cut at {cut}");
    }
}

/// Clients that go at any moment, politely or not, before, during and after the take-over.
async fn no_descriptor_leaks_at_any_time_of_disconnecting() {
    let mut command = program::tricast();
    let (child, address) = program::start(command.env("TRICAST__SHARDS", "1")).await;
    let files = format!("/proc/{}/fd", child.id().expect("runs"));
    let count = || fs::read_dir(&files).expect("runs").count();
    // Once a stream has come through, the shard's own descriptors are open; one connection is ours.
    let mut first = Connection::open(address).await;
    first.send(format!("{}\r\n\r\n", stream_head(Wire::Chunked, "a"))).await;
    first.head().await;
    first.chunk().await;
    let before = count() - 1;
    drop(first);
    for wire in Wire::ALL {
        let request = format!("{}\r\n\r\n", stream_head(wire, "a"));
        for cut in (0..=request.len()).step_by(7).chain([request.len()]) {
            for rude in [false, true] {
                let mut connection = Connection::open(address).await;
                connection.send(&request[..cut]).await;
                if cut == request.len() && rude {
                    // The first bytes of the answer have arrived, and the client does not read the
                    // others.
                    connection.more().await;
                }
                if rude {
                    let socket = SockRef::from(&connection.socket);
                    socket.set_linger(Some(Duration::ZERO)).expect("a socket");
                }
            }
        }
    }
    eventually("all are closed", async || (count() == before).then_some(())).await;
    let answer =
        Connection::open(address).await.request("GET /online/a HTTP/1.1\r\nHost: t", b"").await;
    assert_eq!(answer.json()["connections"], json!(0));
}

tricast_tests::each_wire!(
    a_request_cut_anywhere_opens_the_same_stream,
    answers_before_the_stream_come_whole_and_first
);

tricast_tests::each_delivery!(
    bytes_sent_with_the_handshake_are_read_once,
    no_descriptor_leaks_at_any_time_of_disconnecting
);
