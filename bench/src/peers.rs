//! The peers, as `bench/peers` starts them; its README tells what each wants to hear.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::{
    subscribers::Subscribe,
    target::{Program, Publish, Target},
};

/// All of them; one that cannot be had fails when it is started, and that is reported.
pub(crate) fn all() -> Vec<Target> {
    [nchan(), nodews(), socketio(), sockudo(), centrifugo(), mercure()].concat()
}

fn peer(name: &'static str, publish: Publish, wires: &[(&str, Subscribe)]) -> Vec<Target> {
    let target = |(wire, subscribe): &(&str, Subscribe)| Target {
        server: name.into(),
        wire: (*wire).into(),
        program: Program::Peer(name),
        subscribe: subscribe.clone(),
        publish: publish.clone(),
        lines: None,
    };
    wires.iter().map(target).collect()
}

fn nchan() -> Vec<Target> {
    let wires = [
        ("sse", Subscribe::new("/sub", "Accept: text/event-stream\r\n", false, &[])),
        ("chunked", Subscribe::new("/sub", "TE: chunked\r\n", false, &[])),
        ("ws", Subscribe::new("/sub", "", true, &[])),
    ];
    peer("nchan", Publish::new("/pub", "", "{data}"), &wires)
}

fn nodews() -> Vec<Target> {
    let wires = [
        ("sse", Subscribe::new("/sse", "", false, &[])),
        ("ws", Subscribe::new("/ws", "", true, &[])),
    ];
    peer("nodews", Publish::new("/publish", "", "{data}"), &wires)
}

fn socketio() -> Vec<Target> {
    let path = "/socket.io/?EIO=4&transport=websocket";
    let ws = Subscribe::new(path, "", true, &["40"]);
    peer("socketio", Publish::new("/publish", "", "{data}"), &[("ws", ws)])
}

fn sockudo() -> Vec<Target> {
    let frame = r#"{"event":"pusher:subscribe","data":{"channel":"bench"}}"#;
    let ws = Subscribe::new("/app/bench-key?protocol=7", "", true, &[frame]);
    let body = r#"{"name":"message","channel":"bench","data":"{data}"}"#;
    let publish = Publish::new("{signed}", "Content-Type: application/json\r\n", body);
    peer("sockudo", Publish { signed: Some(signed), ..publish }, &[("ws", ws)])
}

/// The path of a publication, signed as the Pusher protocol wants it for each body anew.
fn signed(body: &str) -> String {
    const PATH: &str = "/apps/bench/events";
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let digest = hex(&Md5::digest(body));
    let query =
        format!("auth_key=bench-key&auth_timestamp={now}&auth_version=1.0&body_md5={digest}");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"bench-secret").expect("a key of any length");
    mac.update(format!("POST\n{PATH}\n{query}").as_bytes());
    format!("{PATH}?{query}&auth_signature={}", hex(&mac.finalize().into_bytes()))
}

fn centrifugo() -> Vec<Target> {
    let subscribe = r#"{"subs":{"bench":{}}}"#;
    let sse = "/connection/uni_sse?cf_connect=%7B%22subs%22%3A%7B%22bench%22%3A%7B%7D%7D%7D";
    let chunked = Subscribe {
        head: format!(
            "POST /connection/uni_http_stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{subscribe}",
            subscribe.len()
        ),
        frames: Vec::new(),
    };
    let wires = [
        ("sse", Subscribe::new(sse, "", false, &[])),
        ("chunked", chunked),
        ("ws", Subscribe::new("/connection/uni_websocket", "", true, &[subscribe])),
    ];
    let body = r#"{"channel":"bench","data":"{data}"}"#;
    let publish = Publish::new("/api/publish", "Content-Type: application/json\r\n", body);
    peer("centrifugo", publish, &wires)
}

fn mercure() -> Vec<Target> {
    // Signed with the key in `bench/peers/mercure.sh`; it opens nothing else.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0.f9zcA6Y4dLK5l3PLcOclJvIplPqdX_wLMq4CT5uOrIU";
    let fields = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer {token}\r\n"
    );
    let publish = Publish::new("/.well-known/mercure", &fields, "topic=bench&data={data}");
    let sse = Subscribe::new("/.well-known/mercure?topic=bench", "", false, &[]);
    peer("mercure", publish, &[("sse", sse)])
}
