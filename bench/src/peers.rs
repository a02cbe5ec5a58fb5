//! The peers, as `bench/peers` starts them; its README tells what each wants to hear.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::{
    subscribers::SubscribeRequest,
    target::{PublishRequest, ServerProgram, Target},
};

/// All of them; one that cannot be had fails when it is started, and that is reported.
pub(crate) fn all() -> Vec<Target> {
    [nchan(), nodews(), socketio(), sockudo(), centrifugo(), mercure()].concat()
}

fn peer(
    name: &'static str,
    publish: PublishRequest,
    wires: &[(&str, SubscribeRequest)],
) -> Vec<Target> {
    let target = |(wire, subscribe): &(&str, SubscribeRequest)| Target {
        server: name.into(),
        wire: (*wire).into(),
        program: ServerProgram::Peer(name),
        subscribe: subscribe.clone(),
        publish: publish.clone(),
        lines: None,
    };
    wires.iter().map(target).collect()
}

fn nchan() -> Vec<Target> {
    let wires = [
        ("sse", SubscribeRequest::new("/sub", "Accept: text/event-stream\r\n", false, &[])),
        ("chunked", SubscribeRequest::new("/sub", "TE: chunked\r\n", false, &[])),
        ("ws", SubscribeRequest::new("/sub", "", true, &[])),
    ];
    peer("nchan", PublishRequest::new("/pub", "", "{data}"), &wires)
}

fn nodews() -> Vec<Target> {
    let wires = [
        ("sse", SubscribeRequest::new("/sse", "", false, &[])),
        ("ws", SubscribeRequest::new("/ws", "", true, &[])),
    ];
    peer("nodews", PublishRequest::new("/publish", "", "{data}"), &wires)
}

fn socketio() -> Vec<Target> {
    let path = "/socket.io/?EIO=4&transport=websocket";
    let ws = SubscribeRequest::new(path, "", true, &["40"]);
    peer("socketio", PublishRequest::new("/publish", "", "{data}"), &[("ws", ws)])
}

fn sockudo() -> Vec<Target> {
    let frame = r#"{"event":"pusher:subscribe","data":{"channel":"bench"}}"#;
    let ws = SubscribeRequest::new("/app/bench-key?protocol=7", "", true, &[frame]);
    let body = r#"{"name":"message","channel":"bench","data":"{data}"}"#;
    let publish = PublishRequest::new("{signed}", "Content-Type: application/json\r\n", body);
    peer("sockudo", PublishRequest { sign: Some(sign), ..publish }, &[("ws", ws)])
}

/// The path of a publication, signed for each body, as the Pusher protocol wants it.
fn sign(body: &str) -> String {
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
    let chunked = SubscribeRequest {
        head: format!(
            "POST /connection/uni_http_stream HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {}\r\n\r\n{subscribe}",
            subscribe.len()
        ),
        frames: Vec::new(),
    };
    let wires = [
        ("sse", SubscribeRequest::new(sse, "", false, &[])),
        ("chunked", chunked),
        ("ws", SubscribeRequest::new("/connection/uni_websocket", "", true, &[subscribe])),
    ];
    let body = r#"{"channel":"bench","data":"{data}"}"#;
    let publish = PublishRequest::new("/api/publish", "Content-Type: application/json\r\n", body);
    peer("centrifugo", publish, &wires)
}

fn mercure() -> Vec<Target> {
    // Signed with the key in `bench/peers/mercure.sh`; it opens nothing else.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0.\
                 f9zcA6Y4dLK5l3PLcOclJvIplPqdX_wLMq4CT5uOrIU";
    let fields = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer {token}\r\n"
    );
    let publish = PublishRequest::new("/.well-known/mercure", &fields, "topic=bench&data={data}");
    let sse = SubscribeRequest::new("/.well-known/mercure?topic=bench", "", false, &[]);
    peer("mercure", publish, &[("sse", sse)])
}
