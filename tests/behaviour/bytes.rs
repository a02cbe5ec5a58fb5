//! The wire formats as literal bytes.

use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;
use tricast_tests::{Connection, Reader, Server, Wire, expect_bytes, stream_head};

/// Awkward data: what could forge a field, a line or a frame.
const AWKWARD: &str = "a\nid: forged\r\ndata: x\rö\u{2028}\"\\";

/// Opens `GET /{path}` and reads the head; leaves the body.
async fn open(server: &Server, path: &str) -> (Connection, tricast_tests::Head) {
    let mut connection = server.connect().await;
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n")).await;
    let head = connection.head().await;
    (connection, head)
}

async fn publish_all(server: &Server) -> Vec<String> {
    let text = server.publish("b?event=note", AWKWARD).await;
    let json = server.post("/publish/b", "application/json", b"{\n\"n\": 1.0}").await;
    let bytes = server.post("/publish/b?event=blob", "image/png", b"\x00\n\xff").await;
    vec![
        text,
        json.json()["id"].as_str().expect("id").to_owned(),
        bytes.json()["id"].as_str().expect("id").to_owned(),
    ]
}

/// The documents of what [`publish_all`] publishes, with the times that the gateway gave.
async fn documents(server: &Server, ids: &[String]) -> Vec<String> {
    let history = server.get("/history/b").await.json();
    let time = |index: usize| history["messages"][index]["time"].as_u64().expect("time");
    let document = |index: usize, event: &str, data: &str| {
        let (id, time) = (&ids[index], time(index));
        format!(
            r#"{{"id":"{id}","channel":"b","event":"{event}",{data},"online":1,"time":{time}}}"#
        )
    };
    let note = r#""data":"a\nid: forged\r\ndata: x\rö\u2028\"\\""#;
    vec![
        document(0, "note", note),
        document(1, "message", r#""data":{ "n": 1.0}"#),
        document(2, "blob", r#""data":"AAr/","encoding":"base64""#),
    ]
}

async fn sse_as_json() {
    let server = Server::start().await;
    let (mut connection, head) = open(&server, "/sse/b?client=client-0123456789").await;
    assert_eq!(head.status_line, "HTTP/1.1 200 OK");
    let expected = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("content-encoding", "identity"),
        ("transfer-encoding", "chunked"),
        ("tricast-client", "client-0123456789"),
    ];
    for (name, value) in expected {
        assert_eq!(head.fields.get(name).map(String::as_str), Some(value), "{name}");
    }
    let hello = String::from_utf8(connection.chunk().await.expect("hello")).expect("UTF-8");
    let id = &head.fields["tricast-id"];
    assert!(hello.starts_with("event: tricast.hello\nretry: "), "{hello}");
    let document = format!(
        "\ndata: {{\"id\":\"{id}\",\"event\":\"tricast.hello\",\"channels\":[\"b\"],\
         \"client\":\"client-0123456789\",\"issued\":false,\"recovered\":false,\
         \"reason\":\"fresh\",\"online\":{{\"b\":1}},\"heartbeat\":15000,\"time\":"
    );
    assert!(hello.contains(&document), "{hello}");
    assert!(hello.ends_with(&format!("}}\nid: {id}\n\n")), "{hello}");
    let ids = publish_all(&server).await;
    let documents = documents(&server, &ids).await;
    let events = ["event: note\n", "", "event: blob\n"];
    for ((id, event), document) in ids.iter().zip(events).zip(documents) {
        let block = format!("{event}data: {document}\nid: {id}\n\n");
        let framed = format!("{:X}\r\n{block}\r\n", block.len());
        expect_bytes(&mut connection, framed.as_bytes()).await;
    }
}

async fn sse_raw() {
    let server = Server::start().await;
    let (mut connection, _) = open(&server, "/sse/b?format=raw").await;
    let hello = connection.chunk().await.expect("hello");
    assert!(String::from_utf8_lossy(&hello).contains("event: tricast.hello\n"));
    let ids = publish_all(&server).await;
    let (a, b, c) = (&ids[0], &ids[1], &ids[2]);
    let blocks = [
        format!(
            "event: note\ndata: a\ndata: id: forged\ndata: data: x\n\
             data: ö\u{2028}\"\\\nid: {a}\n\n"
        ),
        format!("data: {{ \"n\": 1.0}}\nid: {b}\n\n"),
        format!("event: blob\ndata: AAr/\nid: {c}\n\n"),
    ];
    for block in blocks {
        assert_eq!(connection.chunk().await.expect("a block"), block.as_bytes(), "{block}");
    }
}

async fn chunked_as_json_lines() {
    let server = Server::start().await;
    let (mut connection, head) = open(&server, "/chunked/b").await;
    assert_eq!(head.fields["content-type"], "application/x-ndjson");
    assert_eq!(head.fields["transfer-encoding"], "chunked");
    assert_eq!(head.fields["x-accel-buffering"], "no");
    assert!(connection.chunk().await.expect("hello").ends_with(b"}\n"));
    let ids = publish_all(&server).await;
    for document in documents(&server, &ids).await {
        let framed = format!("{:X}\r\n{document}\n\r\n", document.len() + 1);
        expect_bytes(&mut connection, framed.as_bytes()).await;
    }
}

async fn chunked_raw_is_the_data_and_nothing_else() {
    let server = Server::start().await;
    let (mut connection, head) = open(&server, "/chunked/b?format=raw").await;
    assert!(head.fields["tricast-id"].ends_with("-0"), "the head leaves before any data");
    publish_all(&server).await;
    for data in [AWKWARD.as_bytes(), b"{ \"n\": 1.0}", b"\x00\n\xff"] {
        let framed = [format!("{:X}\r\n", data.len() + 1).as_bytes(), data, b"\n\r\n"].concat();
        expect_bytes(&mut connection, &framed).await;
    }
}

async fn http_1_0_gets_a_body_that_ends_with_the_connection() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection.send("GET /chunked/b HTTP/1.0\r\n\r\n").await;
    let head = connection.head().await;
    assert!(!head.fields.contains_key("transfer-encoding"), "{head:?}");
    assert!(!head.fields.contains_key("content-length"), "{head:?}");
    while !connection.buffer.ends_with(b"\n") {
        assert!(connection.more().await, "hello");
    }
    connection.buffer.clear();
    let ids = publish_all(&server).await;
    for document in documents(&server, &ids).await {
        expect_bytes(&mut connection, format!("{document}\n").as_bytes()).await;
    }
    server.publish("b?end=true", "last").await;
    while connection.more().await {}
    let rest = String::from_utf8(connection.buffer).expect("UTF-8");
    assert!(rest.contains(r#""end":true"#) && rest.ends_with("}\n"), "{rest}");
    assert!(rest.contains(r#""event":"tricast.goodbye","reason":"ended","reconnect":"never""#));
}

async fn open_ws(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect().await;
    connection.send(format!("{}\r\n\r\n", stream_head(Wire::Ws, target))).await;
    let head = connection.head().await;
    assert_eq!(head.status_line, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(head.fields["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    connection
}

/// A frame as RFC 6455 §5.2 draws it, for payloads below 64 KiB.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![short as u8],
        long => [&[126], &(long as u16).to_be_bytes()[..]].concat(),
    };
    [&[0x80 | opcode], &length[..], payload].concat()
}

/// Reads the first frame of a stream.
async fn skip_hello(connection: &mut Connection, wire: Wire) {
    if wire != Wire::Ws {
        let hello = connection.chunk().await.expect("hello");
        return assert!(hello.ends_with(b"\n"));
    }
    let head = connection.take(4).await;
    assert_eq!(head[..2], [0x81, 126]);
    connection.take(usize::from(u16::from_be_bytes([head[2], head[3]]))).await;
}

async fn ws_as_json() {
    let server = Server::start().await;
    let mut connection = open_ws(&server, "b").await;
    skip_hello(&mut connection, Wire::Ws).await;
    let ids = publish_all(&server).await;
    for document in documents(&server, &ids).await {
        expect_bytes(&mut connection, &frame(1, document.as_bytes())).await;
    }
    let large = "x".repeat(70_000);
    server.publish("b", &large).await;
    while connection.buffer.len() < 70_000 {
        assert!(connection.more().await);
    }
    assert_eq!(connection.buffer[..2], [0x81, 127]);
    let length = u64::from_be_bytes(connection.buffer[2..10].try_into().expect("eight"));
    assert_eq!(connection.buffer.len() as u64, 10 + length);
}

async fn ws_raw() {
    let server = Server::start().await;
    let mut connection = open_ws(&server, "b?format=raw").await;
    publish_all(&server).await;
    for (opcode, data) in [(1, AWKWARD.as_bytes()), (1, b"{ \"n\": 1.0}"), (2, b"\x00\n\xff")] {
        expect_bytes(&mut connection, &frame(opcode, data)).await;
    }
    server.publish("b?end=true", "z").await;
    expect_bytes(&mut connection, &frame(1, b"z")).await;
    expect_bytes(&mut connection, &frame(8, b"\x03\xe8ended")).await;
}

async fn inbound_raw_frames_are_data() {
    let server = Server::start().await;
    let mut listener = Reader::open(&server, Wire::Sse, "b").await;
    listener.control("hello").await;
    let (mut socket, _) = Reader::handshake(&server, "/ws/b?format=raw").await.expect("opens");
    socket.send(Message::text("{\"data\":1}")).await.expect("sends");
    socket.send(Message::binary(&b"\xff\x00"[..])).await.expect("sends");
    let text = listener.document().await;
    assert_eq!(text["data"], "{\"data\":1}");
    let binary = listener.document().await;
    assert_eq!(
        (binary["data"].as_str(), binary["encoding"].as_str()),
        (Some("/wA="), Some("base64"))
    );
}

/// Several messages that wait leave together, and are still the same bytes.
async fn a_backlog_is_joined(wire: Wire) {
    let server = Server::start().await;
    for n in 0..600 {
        server.publish("j", &n.to_string()).await;
    }
    let mut reader = Reader::open(&server, wire, "j?since=earliest").await;
    reader.control("hello").await;
    let all = reader.all_data(600).await;
    let expected: Vec<_> = (0..600).map(|n| n.to_string()).collect();
    assert_eq!(all, expected);
}
async fn a_silence(wire: Wire) {
    let server = Server::with("[stream]\nheartbeat = \"50ms\"").await;
    let mut connection = server.connect().await;
    connection.send(stream_head(wire, "b") + "\r\n\r\n").await;
    let begin = connection.head().await.fields["tricast-id"].clone();
    skip_hello(&mut connection, wire).await;
    let short = |cursor: &str| match wire {
        Wire::Sse => b"2\r\n:\n\r\n".to_vec(),
        Wire::Chunked => b"1\r\n\n\r\n".to_vec(),
        Wire::Ws => frame(9, cursor.as_bytes()),
    };
    // A client that answers no ping for two heartbeats is closed (RFC 6455 §5.5.3).
    let lives: &[u8] = if wire == Wire::Ws { b"\x8a\x80\0\0\0\0" } else { b"" };
    for _ in 0..2 {
        expect_bytes(&mut connection, &short(&begin)).await;
        connection.send(lives).await;
    }
    let id = server.publish("elsewhere", "x").await;
    let mark = "1732000000000";
    let document = format!(r#"{{"id":"{id}","event":"tricast.alive","time":{mark}}}"#);
    let alive = match wire {
        Wire::Sse => {
            let block = format!("event: tricast.alive\ndata: {document}\nid: {id}\n\n");
            format!("{:X}\r\n{block}\r\n", block.len()).into_bytes()
        }
        Wire::Chunked => format!("{:X}\r\n{document}\n\r\n", document.len() + 1).into_bytes(),
        // The ping asks for a sign of the peer's life as well.
        Wire::Ws => [frame(1, document.as_bytes()), frame(9, id.as_bytes())].concat(),
    };
    let mut said = connection.take(alive.len()).await;
    // It may have been silent a few times more before that.
    for _ in 0..100 {
        if !said.starts_with(&short(&begin)) {
            break;
        }
        said.drain(..short(&begin).len());
        said.extend(connection.take(short(&begin).len()).await);
        connection.send(lives).await;
    }
    let at = alive.windows(13).position(|window| window == mark.as_bytes()).expect("the mark");
    assert!(said[at..at + 13].iter().all(u8::is_ascii_digit));
    said[at..at + 13].copy_from_slice(mark.as_bytes());
    assert_eq!(String::from_utf8_lossy(&said), String::from_utf8_lossy(&alive));
    for _ in 0..2 {
        connection.send(lives).await;
        expect_bytes(&mut connection, &short(&id)).await;
    }
}

tricast_tests::each_wire!(a_backlog_is_joined, a_silence);

tricast_tests::each_delivery!(
    sse_as_json,
    sse_raw,
    chunked_as_json_lines,
    chunked_raw_is_the_data_and_nothing_else,
    http_1_0_gets_a_body_that_ends_with_the_connection,
    ws_as_json,
    ws_raw,
    inbound_raw_frames_are_data
);
