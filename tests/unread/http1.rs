//! Floods on a connection of HTTP/1.1, and on a WebSocket that it has become.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tricast_tests::{Wire, stream_head};

use crate::{gateway::FULL, transport::Io};

/// Bytes that are sent again and again, after an opening.
#[derive(Clone)]
pub(crate) struct Bytes {
    pub(crate) name: &'static str,
    opening: Vec<u8>,
    again: Vec<u8>,
}

impl Bytes {
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let again = self.again.repeat(1 + (64 << 10) / self.again.len());
        std::iter::once(self.opening.clone()).chain(std::iter::repeat(again))
    }
}

pub(crate) fn attacks() -> Vec<Bytes> {
    let ping = frame(9, &[b'p'; 125]);
    let history = text(&format!("{{\"type\":\"history\",\"channel\":\"{FULL}\"}}"));
    let changes = ["subscribe", "unsubscribe"]
        .map(|what| text(&format!("{{\"type\":\"{what}\",\"channel\":\"b\"}}")));
    let farewell = [ping.repeat(40_000), frame(8, b"\x03\xe8")].concat();
    let begun = frame_of(0x01, b"{");
    let publish = "POST /publish/full?id= HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc";
    let preflight = "OPTIONS /publish/full HTTP/1.1\r\nHost: t\r\nOrigin: http://t\r\n\
        Access-Control-Request-Method: POST\r\n\r\n";
    vec![
        websocket("pings", "", &[], &ping),
        websocket("pings on a raw stream", "?format=raw", &[], &ping),
        websocket("pings in a backlog", "?since=earliest", &[], &ping),
        websocket("pings in a message", "", &begun, &ping),
        websocket("pings and a close", "", &[], &farewell),
        websocket("commands for history", "", &[], &history),
        websocket("bad commands", "", &[], &text("[]")),
        websocket("commands that change", "", &[], &changes.concat()),
        requests("requests for history", "GET /history/full HTTP/1.1\r\nHost: t\r\n\r\n"),
        requests("requests for heads", "HEAD /nowhere HTTP/1.1\r\nHost: t\r\n\r\n"),
        requests("requests that are refused", "GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n"),
        requests("publishes that are refused", publish),
        requests("preflights", preflight),
        after("requests after events", Wire::Sse),
        after("requests after lines", Wire::Chunked),
    ]
}

fn websocket(name: &'static str, query: &str, first: &[u8], again: &[u8]) -> Bytes {
    let head = format!("{}\r\n\r\n", stream_head(Wire::Ws, &format!("{FULL}{query}")));
    Bytes { name, opening: [head.as_bytes(), first].concat(), again: again.to_vec() }
}

fn requests(name: &'static str, request: &str) -> Bytes {
    Bytes { name, opening: Vec::new(), again: request.into() }
}

/// Requests on a connection that has become a stream.
fn after(name: &'static str, wire: Wire) -> Bytes {
    let head = format!("{}\r\n\r\n", stream_head(wire, FULL));
    Bytes { name, opening: head.into(), again: b"GET /channels HTTP/1.1\r\nHost: t\r\n\r\n".into() }
}

/// A reader that has asked for a page on its WebSocket, and has read it.
pub(crate) async fn reader_of_a_page(io: Box<dyn Io>) -> WebSocketStream<Box<dyn Io>> {
    let (mut socket, _) = client_async("ws://localhost/ws/idle", io).await.expect("opens");
    let command = format!("{{\"type\":\"history\",\"channel\":\"{FULL}\",\"ref\":1}}");
    socket.send(Message::text(command)).await.expect("sends");
    let page = async {
        loop {
            let message = socket.next().await.expect("is open").expect("reads");
            if message.len() > 500_000 {
                return;
            }
        }
    };
    timeout(Duration::from_secs(10), page).await.expect("a page comes");
    socket
}

fn text(said: &str) -> Vec<u8> {
    frame(1, said.as_bytes())
}

/// A whole frame of a client's.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame_of(0x80 | opcode, payload)
}

/// The same with all of its first byte. The mask is zero, which changes nothing.
fn frame_of(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    assert!(length < 126, "a short one");
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}
