//! Connection limits: for an address, a user, a channel; and which connections are closed to make
//! room.

use serde_json::json;
use tricast_tests::{Connection, Reader, SECRET, Server, Wire, eventually, stream_head, token};

/// How a fourth stream is refused that will be accepted later: with 429, or as EventSource needs
/// it.
async fn is_refused_for_now(
    server: &Server,
    wire: Wire,
    target: &str,
    fields: &[(&'static str, &str)],
    kind: &str,
) {
    let field = |(name, value): &(&str, &str)| format!("\r\n{name}: {value}");
    let fields: String = fields.iter().map(field).collect();
    let answer = server.request(&format!("{}{fields}", stream_head(wire, target)), b"").await;
    match wire {
        Wire::Sse => {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.text().contains("\"reason\":\"overloaded\""), "{answer:?}");
        }
        Wire::Chunked | Wire::Ws => {
            assert_eq!((answer.status, answer.problem().as_str()), (429, kind));
            assert!(answer.fields["retry-after"].parse::<u32>().is_ok_and(|wait| wait > 0));
        }
    }
    assert!(server.metric(&format!("tricast_refusals_total{{reason=\"{kind}\"}}")).await >= 1.0);
}

async fn an_address_has_a_limit_of_streams(wire: Wire) {
    let server =
        Server::with("[limits]\nconnections_per_address = 2\n[proxy]\ntrusted = [\"127.0.0.0/8\"]")
            .await;
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    let open = async |address| Reader::open_with(&server, wire, "a", &from(address)).await;
    let mut here = vec![open("192.0.2.1").await, open("192.0.2.1").await];
    is_refused_for_now(&server, wire, "a", &from("192.0.2.1"), "too-many-from-address").await;
    // Fields that a client puts before those of the proxy change nothing.
    is_refused_for_now(
        &server,
        wire,
        "a",
        &from("198.51.100.9, 192.0.2.1"),
        "too-many-from-address",
    )
    .await;
    let _other = open("192.0.2.2").await;
    // A whole IPv6 network of 64 bits is one.
    let _six = (open("2001:db8::1").await, open("2001:db8::2").await);
    is_refused_for_now(&server, wire, "a", &from("2001:db8::3"), "too-many-from-address").await;
    // An address of a proxy is not counted as a client's.
    let _proxies = (open("127.0.0.1").await, open("127.0.0.1").await, open("127.0.0.1").await);
    here.pop();
    eventually("there is room again", async || (server.gateway.connections() == 7).then_some(()))
        .await;
    open("192.0.2.1").await.control("hello").await;
}

async fn a_forwarded_address_from_an_untrusted_peer_is_ignored(wire: Wire) {
    let server = Server::with("[limits]\nconnections_per_address = 1").await;
    let fields = [("X-Forwarded-For", "192.0.2.1")];
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(Reader::open_with(&server, wire, "a", &fields).await);
    }
    assert_eq!(server.gateway.connections(), 3, "loopback is nobody's address");
}

async fn a_user_has_a_limit_of_streams(wire: Wire) {
    let settings = format!("[limits]\nconnections_per_user = 2\n[tokens]\nsecret = \"{SECRET}\"");
    let server = Server::with(&settings).await;
    let alice = token("alice", &["*"], &[]);
    let target = format!("a?token={alice}");
    let one = Reader::open(&server, wire, &target).await;
    // Another wire and another channel are the same user.
    let _two = Reader::open(&server, Wire::Sse, &format!("b?token={alice}")).await;
    is_refused_for_now(&server, wire, &target, &[], "too-many-of-user").await;
    let bob = token("bob", &["*"], &[]);
    Reader::open(&server, wire, &format!("a?token={bob}")).await.control("hello").await;
    drop(one);
    eventually("there is room again", async || (server.gateway.connections() == 1).then_some(()))
        .await;
    Reader::open(&server, wire, &target).await.control("hello").await;
}

async fn a_channel_has_a_limit_of_subscribers(wire: Wire) {
    let server = Server::with("[[namespace]]\npattern = \"small.*\"\nsubscribers = 1").await;
    let one = Reader::open(&server, Wire::Chunked, "small.a").await;
    is_refused_for_now(&server, wire, "b,small.a", &[], "too-many-subscribers").await;
    Reader::open(&server, wire, "small.b").await.control("hello").await;
    let mut other = Reader::open(&server, Wire::Ws, "b").await;
    other.control("hello").await;
    other.send(r#"{"type":"subscribe","channel":"small.a"}"#).await;
    assert_eq!(other.control("error").await["type"], "urn:tricast:too-many-subscribers");
    drop(one);
    eventually("there is room again", async || {
        (server.online("small.a").await["connections"] == json!(0)).then_some(())
    })
    .await;
    Reader::open(&server, wire, "small.a").await.control("hello").await;
}

/// A renewed token keeps the place that its connection has.
async fn a_renewed_token_takes_no_second_permit() {
    let settings = format!("[limits]\nconnections_per_user = 1\n[tokens]\nsecret = \"{SECRET}\"");
    let server = Server::with(&settings).await;
    let alice = token("alice", &["*"], &[]);
    let mut reader = Reader::open(&server, Wire::Ws, &format!("a?token={alice}")).await;
    reader.control("hello").await;
    reader.send(&json!({"type": "renew", "token": alice}).to_string()).await;
    reader.control("ack").await;
    is_refused_for_now(&server, Wire::Ws, &format!("a?token={alice}"), &[], "too-many-of-user")
        .await;
    drop(reader);
    eventually("it has left", async || (server.gateway.connections() == 0).then_some(())).await;
    Reader::open(&server, Wire::Ws, &format!("a?token={alice}")).await.control("hello").await;
}

async fn request_bodies_have_a_memory_limit() {
    let server =
        Server::with("[limits]\nmessage_bytes = \"256KiB\"\nbody_memory = \"256KiB\"").await;
    let mut slow = server.connect().await;
    slow.send("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 200000\r\n\r\nbegun").await;
    eventually("its share is taken", async || {
        let answer = server.post("/publish/a", "", &[b'x'; 100_000]).await;
        if answer.status == 200 {
            return None;
        }
        assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"));
        Some(())
    })
    .await;
    assert_eq!(server.post("/publish/a", "", b"small").await.status, 200);
    // A body of unknown length is counted as it comes, and a stream of lines by its longest line.
    let chunked = "POST /publish/a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked";
    let body = [b"186a0\r\n", &[b'1'; 100_000][..], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(server.request(chunked, &body).await.problem(), "overloaded");
    let lines = format!("{chunked}\r\nContent-Type: application/x-ndjson");
    assert_eq!(server.request(&lines, &body).await.problem(), "overloaded");
    slow.send(vec![b'y'; 199_995]).await;
    assert_eq!(slow.head().await.status, 200);
    assert_eq!(server.post("/publish/a", "", &[b'x'; 100_000]).await.status, 200);
}

/// When silent connections take all file descriptors, a later connection still gets an answer.
async fn silent_connections_are_closed_first() {
    let mut command = tricast_tests::program::with_files(300);
    let (_child, address) = tricast_tests::program::start(&mut command).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Connection::open(address).await);
    }
    // They have a moment to send a request, in which there is no room for others.
    eventually("there is room", async || {
        let connection = Connection::open(address).await;
        let head = "GET /online/a HTTP/1.1\r\nHost: t";
        let answer = connection.request(head, b"").await;
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        if answer.status == 503 {
            assert_eq!(answer.fields["tricast-problem"], "too-many-connections", "{answer:?}");
        }
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(silent[0].rest().await, b"", "the one that was silent longest is gone");
}

tricast_tests::each_wire!(
    an_address_has_a_limit_of_streams,
    a_forwarded_address_from_an_untrusted_peer_is_ignored,
    a_user_has_a_limit_of_streams,
    a_channel_has_a_limit_of_subscribers
);

tricast_tests::each_delivery!(
    a_renewed_token_takes_no_second_permit,
    request_bodies_have_a_memory_limit,
    silent_connections_are_closed_first
);
