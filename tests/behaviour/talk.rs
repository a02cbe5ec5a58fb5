//! Talking on a WebSocket: commands, answers, and what is wrong with a command.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tricast_tests::{Event, Reader, Server, Wire, stream_head};

async fn a_command_is_published_and_acknowledged() {
    let server = Server::start().await;
    let mut other = Reader::open(&server, Wire::Sse, "a").await;
    other.control("hello").await;
    let mut me = Reader::open(&server, Wire::Ws, "a").await;
    me.control("hello").await;
    me.send(r#"{"data":{"x":1.0},"event":"move","skip_self":true,"ref":7}"#).await;
    let ack = me.control("ack").await;
    assert_eq!((&ack["ref"], &ack["subscribers"]), (&json!(7), &json!(2)));
    assert_eq!(ack.get("id"), None, "an ack is no resume point");
    let document = other.document().await;
    assert_eq!((&document["id"], &document["event"]), (&ack["published"], &json!("move")));
    assert_eq!(document["data"].to_string(), r#"{"x":1.0}"#);
    // Without skip_self a client receives its own messages.
    me.send(r#"{"data":"hello","ref":"r"}"#).await;
    let (mut acked, mut heard) = (false, false);
    while !(acked && heard) {
        let document = me.document().await;
        acked |= document["event"] == "tricast.ack" && document["ref"] == "r";
        heard |= document["data"] == "hello";
    }
}

async fn an_id_makes_a_command_idempotent() {
    let server = Server::start().await;
    let mut me = Reader::open(&server, Wire::Ws, "a").await;
    me.control("hello").await;
    for duplicate in [None, Some(true)] {
        me.send(r#"{"data":1,"id":"once","skip_self":true}"#).await;
        let ack = me.control("ack").await;
        assert_eq!(ack.get("duplicate").and_then(|value| value.as_bool()), duplicate);
    }
}

async fn a_bad_command_is_named_and_the_connection_stays_open() {
    let server = Server::start().await;
    let mut me = Reader::open(&server, Wire::Ws, "a,b").await;
    me.control("hello").await;
    let cases = [
        ("nonsense", "bad-json", json!(null)),
        ("[]", "bad-command", json!(null)),
        (r#"{"channel":"a","ref":1}"#, "bad-command", json!(1)),
        (r#"{"data":1,"ref":2}"#, "bad-channel", json!(2)),
        (r#"{"data":1,"channel":"a","colour":"red","ref":3}"#, "unknown-field", json!(3)),
        (r#"{"data":1,"channel":"a","event":"tricast.hello","ref":4}"#, "reserved-event", json!(4)),
        (r#"{"data":1,"channel":"a b","ref":5}"#, "bad-channel", json!(5)),
        (r#"{"data":1,"channel":"a","id":"with space","ref":6}"#, "bad-id", json!(6)),
    ];
    for (command, kind, reference) in cases {
        me.send(command).await;
        let error = me.control("error").await;
        assert_eq!(error["type"], format!("urn:tricast:{kind}"), "{command}");
        assert_eq!(error["ref"], reference, "{command}");
        assert!(error["detail"].as_str().is_some_and(|text| text.len() > 10));
    }
    let many: String = (0..20_000).map(|n| format!("\"f{n}\":1,")).collect();
    me.send(&format!("{{{many}\"data\":1}}")).await;
    assert_eq!(me.control("error").await["type"], "urn:tricast:unknown-field");
    me.send(r#"{"data":1,"channel":"a","skip_self":true}"#).await;
    me.control("ack").await;
    assert_eq!(server.metric("tricast_refusals_total{reason=\"unknown-field\"}").await, 2.0);
}

async fn acks_come_in_the_order_of_the_commands() {
    let server = Server::start().await;
    let mut me = Reader::open(&server, Wire::Ws, "a").await;
    me.control("hello").await;
    for n in 0..200 {
        me.send(&format!(r#"{{"data":{n},"skip_self":true,"ref":{n}}}"#)).await;
    }
    for n in 0..200 {
        assert_eq!(me.control("ack").await["ref"], n);
    }
}

async fn a_frame_that_breaks_the_rules_ends_the_connection_with_its_code() {
    let server = Server::with("[limits]\nmessage_bytes = 1000").await;
    let masked = |opcode: u8, payload: &[u8]| {
        let length = payload.len() as u16;
        let size = if length < 126 {
            vec![0x80 | length as u8]
        } else {
            [&[0x80 | 126], &length.to_be_bytes()[..]].concat()
        };
        [&[0x80 | opcode], &size[..], &[0, 0, 0, 0], payload].concat()
    };
    let cases = [
        (masked(1, b"\xff"), 1007, "malformed"),
        (masked(1, &[b'x'; 2 * 1000 + 4097]), 1009, "too-large"),
        (b"\x81\x01x".to_vec(), 1002, "protocol"),
        (masked(3, b""), 1002, "protocol"),
        // RFC 6455 §5.2: as few bytes as possible, and a highest bit of 0.
        (b"\x81\xfe\0\x01\0\0\0\0x".to_vec(), 1002, "protocol"),
        (b"\x81\xff\0\0\0\0\0\0\x01\0\0\0\0\0".to_vec(), 1002, "protocol"),
        (b"\x89\xfe\0\x01\0\0\0\0x".to_vec(), 1002, "protocol"),
        (b"\x81\xff\x80\0\0\0\0\0\0\x01\0\0\0\0x".to_vec(), 1002, "protocol"),
    ];
    for (bytes, code, reason) in cases {
        let (mut socket, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
        socket.next().await.expect("hello").expect("reads");
        // Further bytes must not reset the connection before its close frame is read.
        let flood = [&bytes[..], &[0x42; 20_000]].concat();
        tokio::io::AsyncWriteExt::write_all(socket.get_mut(), &flood).await.expect("sends");
        let goodbye = socket.next().await.expect("a frame").expect("reads");
        let goodbye = goodbye.to_text().expect("text").to_owned();
        assert!(goodbye.contains(&format!("\"reason\":\"{reason}\"")), "{goodbye}");
        let close = socket.next().await.expect("a frame").expect("reads");
        let Message::Close(Some(close)) = close else { panic!("{close:?}") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (code, reason));
    }
}

async fn too_large_and_too_fast_are_reported_and_the_connection_stays_open() {
    let server = Server::with("[limits]\nmessage_bytes = 1000\n[ws]\nrate = 3").await;
    let mut me = Reader::open(&server, Wire::Ws, "a").await;
    me.control("hello").await;
    me.send(&json!({"data": "x".repeat(999), "ref": 1}).to_string()).await;
    let error = me.control("error").await;
    assert_eq!((&error["type"], &error["ref"]), (&json!("urn:tricast:too-large"), &json!(1)));
    me.send(&json!({"data": "x".repeat(998), "skip_self": true}).to_string()).await;
    me.control("ack").await;
    me.send(r#"{"type":"ping"}"#).await;
    me.control("ack").await;
    for n in 0.. {
        me.send(&json!({"data": "fast", "skip_self": true, "ref": n}).to_string()).await;
        let answer = me.document().await;
        if answer["event"] == "tricast.error" {
            assert_eq!(
                (&answer["type"], &answer["ref"]),
                (&json!("urn:tricast:too-fast"), &json!(n))
            );
            break;
        }
    }
    // A moment later it may publish again.
    loop {
        me.send(&json!({"data": "later", "skip_self": true}).to_string()).await;
        if me.document().await["event"] == "tricast.ack" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // A raw connection can only be refused by its close code.
    let mut raw = Reader::open(&server, Wire::Ws, "b?format=raw").await;
    for _ in 0..10 {
        raw.send("1").await;
    }
    let end = loop {
        match raw.next().await {
            Event::Document(_) | Event::Heartbeat(_) | Event::Alive(_) => {}
            end => break end,
        }
    };
    assert_eq!(end, Event::End(Some((1013, "overloaded".to_owned()))));
}

async fn a_subprotocol_names_the_format_and_a_token_is_never_repeated() {
    let server = Server::start().await;
    let ask = async |target: &str, protocols: &str| {
        let head = stream_head(Wire::Ws, target);
        server.request(&format!("{head}\r\nSec-WebSocket-Protocol: {protocols}"), b"").await
    };
    let open = async |target: &str, protocols: &str| {
        let mut connection = server.connect().await;
        let head = stream_head(Wire::Ws, target);
        let field = format!("Sec-WebSocket-Protocol: {protocols}");
        connection.send(format!("{head}\r\n{field}\r\n\r\n")).await;
        let head = connection.head().await;
        assert_eq!(head.status, 101, "{head:?}");
        (head.fields.get("sec-websocket-protocol").cloned(), connection)
    };
    let (protocol, _) = open("a", "other, tricast.v1.json").await;
    assert_eq!(protocol.as_deref(), Some("tricast.v1.json"));
    let (protocol, mut raw) = open("a", "tricast.v1.raw").await;
    assert_eq!(protocol.as_deref(), Some("tricast.v1.raw"));
    server.publish("a", "plain").await;
    assert_eq!(raw.take(7).await, b"\x81\x05plain");
    assert_eq!(open("a", "other").await.0, None);
    let refused = ask("a?format=raw", "tricast.v1.json").await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-parameter"));
    // Without keys no token can be checked; it is refused like any other, and not repeated.
    for (protocols, kind) in [
        ("tricast.v1.json, tricast.token.s3cret", "token-unsupported"),
        ("tricast.token.s3cret", "bad-parameter"),
    ] {
        let refused = ask("a", protocols).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, kind));
        assert!(
            !refused.text().contains("s3cret")
                && !format!("{:?}", refused.fields).contains("s3cret")
        );
    }
}

async fn history_pages_are_not_queued_for_a_client_that_does_not_read() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    let (mut me, _) = Reader::handshake(&server, "/ws/b").await.expect("opens");
    for n in 0..50 {
        let command = json!({"type": "history", "channel": "a", "ref": n}).to_string();
        me.feed(Message::text(command)).await.expect("feeds");
    }
    me.flush().await.expect("sends");
    // Each is answered once the one before it was taken.
    let mut next = 0;
    while next < 50 {
        // Pings come in between when this takes long.
        let Message::Text(text) = me.next().await.expect("a message").expect("reads") else {
            continue;
        };
        let document: Value = serde_json::from_str(&text).expect("JSON");
        if document["event"] == "tricast.ack" {
            assert_eq!(document["ref"], json!(next));
            assert_eq!(document["history"]["messages"].as_array().map(Vec::len), Some(20));
            next += 1;
        }
    }
}

async fn a_slow_consumer_gets_every_message_and_every_pong_in_order() {
    const PINGS: u16 = 2000;
    let server = Server::start().await;
    let (mut me, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
    me.next().await.expect("hello").expect("reads");
    // More than the kernel holds for one that does not read.
    let large = "x".repeat(200_000);
    for n in 0..40 {
        server.publish("a", &format!("{n} {large}")).await;
    }
    for n in 0..PINGS {
        me.feed(Message::Ping(n.to_be_bytes().to_vec().into())).await.expect("feeds");
    }
    me.flush().await.expect("sends");
    let (mut messages, mut pongs) = (0, 0);
    while messages < 40 || pongs < PINGS {
        match me.next().await.expect("is open").expect("reads") {
            Message::Pong(payload) => {
                assert_eq!(payload, &pongs.to_be_bytes()[..]);
                pongs += 1;
            }
            Message::Text(text) => {
                let document: Value = serde_json::from_str(&text).expect("JSON");
                let data = document["data"].as_str().expect("text");
                assert!(data.starts_with(&format!("{messages} ")), "{messages}: {}", &data[..9]);
                messages += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A number that no double holds comes back digit by digit.
async fn a_ref_is_repeated_as_it_was() {
    let server = Server::start().await;
    let (mut me, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
    me.next().await.expect("hello").expect("reads");
    for reference in ["12345678901234567890123", "1e2", "-0.0", r#""\u00e4 \"""#] {
        let command = format!("{{\"type\":\"ping\",\"ref\":{reference}}}");
        me.send(Message::text(command)).await.expect("sends");
        let answer = me.next().await.expect("an answer").expect("reads");
        let answer = answer.to_text().expect("text").to_owned();
        assert!(answer.contains(&format!("\"ref\":{reference},")), "{answer}");
    }
}

async fn a_client_that_closes_is_answered() {
    let server = Server::start().await;
    let (mut socket, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
    socket.next().await.expect("hello").expect("reads");
    socket.close(None).await.expect("closes");
    let mut answered = false;
    while let Some(Ok(message)) = socket.next().await {
        answered |= message.is_close();
    }
    assert!(answered);
    assert_eq!(server.gateway.connections(), 0);
}

async fn pings_are_answered_and_binary_commands_refused() {
    let server = Server::start().await;
    let (mut socket, _) = Reader::handshake(&server, "/ws/a").await.expect("opens");
    socket.next().await.expect("hello").expect("reads");
    socket.send(Message::Ping(b"x".to_vec().into())).await.expect("sends");
    assert_eq!(
        socket.next().await.expect("a frame").expect("reads"),
        Message::Pong(b"x".to_vec().into())
    );
    socket.send(Message::binary(&b"x"[..])).await.expect("sends");
    let error = socket.next().await.expect("a frame").expect("reads");
    assert!(error.to_text().expect("text").contains("urn:tricast:bad-command"));
}

async fn a_bad_handshake_names_what_is_missing() {
    let server = Server::start().await;
    let answer = server.get("/ws/a").await;
    assert_eq!((answer.status, answer.problem().as_str()), (426, "upgrade-required"));
    assert_eq!(answer.fields["upgrade"], "websocket");
    assert_eq!(answer.fields["sec-websocket-version"], "13");
    let refused = Reader::handshake(&server, "/ws/a?since=never").await;
    assert!(refused.is_err(), "a refusal comes before the upgrade");
}

tricast_tests::each_delivery!(
    a_command_is_published_and_acknowledged,
    an_id_makes_a_command_idempotent,
    a_bad_command_is_named_and_the_connection_stays_open,
    acks_come_in_the_order_of_the_commands,
    a_frame_that_breaks_the_rules_ends_the_connection_with_its_code,
    too_large_and_too_fast_are_reported_and_the_connection_stays_open,
    a_subprotocol_names_the_format_and_a_token_is_never_repeated,
    history_pages_are_not_queued_for_a_client_that_does_not_read,
    a_slow_consumer_gets_every_message_and_every_pong_in_order,
    a_ref_is_repeated_as_it_was,
    a_client_that_closes_is_answered,
    pings_are_answered_and_binary_commands_refused,
    a_bad_handshake_names_what_is_missing
);
