//! Encoders: whatever is published, independent parsers read exactly that from each wire.
#![no_main]

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use arbitrary::Arbitrary;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use eventsource_stream::Eventsource as _;
use futures_util::{FutureExt as _, StreamExt as _};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tricast_core::{
    AllowAll, Bounds, Data, Draft, Format, Hub, Identity, Join, Limits, Log, MemoryEngine, Meters,
    Session, SessionConfig, Wire,
};
use tungstenite::{Message, WebSocket, protocol::Role};

#[derive(Arbitrary, Debug)]
struct Published<'a> {
    data: Kind<'a>,
    event: Option<&'a str>,
}

#[derive(Arbitrary, Debug)]
enum Kind<'a> {
    Json(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
}

fn hub() -> &'static Arc<Hub> {
    static HUB: OnceLock<Arc<Hub>> = OnceLock::new();
    HUB.get_or_init(|| {
        let limits = Limits::default().with_rules(Bounds::default().with_messages(1));
        let log = Arc::new(Log::new("fuzz".parse().expect("an epoch"), limits));
        let engine = MemoryEngine::new(log.clone(), Duration::from_secs(1), 1);
        Hub::new(log, Arc::new(engine), Meters::new(), 100)
    })
}

fn join(wire: Wire, format: &'static dyn Format) -> Session {
    let channel = "c".parse().expect("a channel");
    let join = Join::new([channel], Identity::unverified(None, None), wire);
    let config = SessionConfig::default().with_heartbeat(Duration::from_secs(3600));
    let joined = hub().join(join).now_or_never().expect("does not wait").expect("joins");
    let mut session = Session::new(joined, format, Arc::new(AllowAll), Arc::new(config));
    collect(&mut session);
    session
}

fn collect(session: &mut Session) -> Vec<u8> {
    let mut frames: Vec<Bytes> = Vec::new();
    session.collect(Instant::now(), &mut frames);
    frames.concat()
}

/// Parses a stream that holds one event; returns its name and data.
fn event_of(stream: Vec<u8>) -> (String, String) {
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(stream))]);
    let events: Vec<_> = pieces.eventsource().collect().now_or_never().expect("does not wait");
    assert_eq!(events.len(), 1, "{events:?}");
    let event = events.into_iter().next().expect("one").expect("an event");
    (event.event, event.data)
}

/// Decodes the only message of a WebSocket.
fn message_of(frames: Vec<u8>) -> Message {
    let mut socket = WebSocket::from_raw_socket(std::io::Cursor::new(frames), Role::Client, None);
    socket.read().expect("a message")
}

/// Checks a document against the data that was published.
fn check(document: &str, data: &Data, event: &str) {
    assert!(!document.contains(['\n', '\r']));
    // Some JSON is beyond this library (see the target for commands). The document then has the
    // same bytes.
    if let Data::Json(json) = data
        && serde_json::from_str::<Value>(json).is_err()
    {
        assert!(document.contains(&format!(",\"data\":{json},")));
        return;
    }
    let document: Value = serde_json::from_str(document).expect("a document");
    assert_eq!(document["event"], event);
    match data {
        Data::Json(json) => {
            let value: Value = serde_json::from_str(json).expect("JSON");
            assert_eq!(document["data"], value);
        }
        Data::Text(text) => assert_eq!(document["data"], text.as_str()),
        Data::Bytes(bytes) => {
            assert_eq!(document["encoding"], "base64");
            let text = document["data"].as_str().expect("text");
            assert_eq!(STANDARD.decode(text).expect("base64"), bytes[..]);
        }
    }
}

fuzz_target!(|published: Published<'_>| {
    let data = match published.data {
        Kind::Json(text) => match Data::json(text.as_bytes()) {
            Ok(data) => data,
            Err(_) => return,
        },
        Kind::Text(text) => Data::Text(text.to_owned()),
        Kind::Bytes(bytes) => Data::Bytes(Bytes::copy_from_slice(bytes)),
    };
    let event = match published.event.map(str::parse).transpose() {
        Ok(event) => event,
        Err(_) => return,
    };
    let name = published.event.unwrap_or("message");
    let formats: [(Wire, &'static dyn Format); 6] = [
        (Wire::Sse, &tricast_sse::JSON),
        (Wire::Sse, &tricast_sse::RAW),
        (Wire::Chunked, &tricast_chunked::JSON),
        (Wire::Chunked, &tricast_chunked::RAW),
        (Wire::Ws, tricast_ws::format(false, None)),
        (Wire::Ws, tricast_ws::format(true, None)),
    ];
    let mut sessions = formats.map(|(wire, format)| join(wire, format));
    let channel = "c".parse().expect("a channel");
    let draft = Draft::new(channel, data.clone()).with_event(event);
    hub().publish(draft).now_or_never().expect("does not wait").expect("published");
    let [sse, raw_sse, chunked, raw_chunked, ws, raw_ws] = sessions.each_mut().map(collect);

    let (event, document) = event_of(sse);
    assert_eq!(event, name);
    check(&document, &data, name);
    let (event, read) = event_of(raw_sse);
    assert_eq!(event, name);
    let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    match &data {
        Data::Json(text) | Data::Text(text) => assert_eq!(read, lines(text)),
        Data::Bytes(bytes) => assert_eq!(STANDARD.decode(read).expect("base64"), bytes[..]),
    }
    let line = chunked.strip_suffix(b"\n").expect("a line");
    check(std::str::from_utf8(line).expect("UTF-8"), &data, name);
    assert_eq!(raw_chunked.strip_suffix(b"\n").expect("a line"), data.as_bytes());
    check(message_of(ws).to_text().expect("text"), &data, name);
    match (message_of(raw_ws), &data) {
        (Message::Text(text), Data::Json(sent) | Data::Text(sent)) => {
            assert_eq!(text.as_str(), sent)
        }
        (Message::Binary(bytes), Data::Bytes(sent)) => assert_eq!(&bytes, sent),
        (other, _) => panic!("{other:?}"),
    }
});
