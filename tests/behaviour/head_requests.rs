//! HEAD: the answer to GET without its body, and no stream.

use tricast_tests::{Connection, Head, Server, Wire, stream_head};

/// Fields that differ from answer to answer, or belong to the stream and the body that HEAD does
/// not have.
const OF_A_STREAM: [&str; 5] =
    ["tricast-id", "tricast-client", "connection", "date", "transfer-encoding"];

async fn head_of(mut connection: Connection, request: &str) -> Head {
    connection.send(format!("{request}\r\n\r\n")).await;
    let mut head = connection.head().await;
    head.fields.retain(|name, _| !OF_A_STREAM.contains(&name.as_str()));
    head
}

async fn head_is_answered_as_get_without_a_body() {
    let server = Server::with("access.presence = true").await;
    server.publish("a", "x").await;
    server.publish("gone?end=true", "x").await;
    for target in [
        "/",
        "/history/a",
        "/online/a",
        "/presence/a",
        "/channels",
        "/sse/a",
        "/sse/a?format=raw",
        "/chunked/a",
        "/chunked/a?format=raw",
        "/stream/a",
        "/ws/a",
        "/dashboard/seen?client=client-0123456789",
        "/sse/a?nonsense=1",
        "/chunked/a..b",
        "/history/a?since=never",
        "/nothing",
        "/publish/a",
    ] {
        let ask = async |method: &str| {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: t");
            head_of(server.connect().await, &request).await
        };
        let (get, head) = (ask("GET").await, ask("HEAD").await);
        assert_eq!(head.status, get.status, "{target}");
        // It shows the request as it came, and that was another one.
        let length = if target.contains("seen") { "content-length" } else { "" };
        let of = |head: &Head| {
            let mut fields: Vec<_> = head.fields.clone().into_iter().collect();
            fields.retain(|(name, _)| name != length);
            fields.sort();
            fields
        };
        assert_eq!(of(&head), of(&get), "{target}");
    }
    tricast_tests::eventually("every reader leaves", async || {
        (server.gateway.connections() == 0).then_some(())
    })
    .await;
}

/// RFC 6455 §4.1: a handshake is a GET.
async fn head_opens_no_websocket() {
    let server = Server::start().await;
    for path in ["ws", "stream"] {
        let request = stream_head(Wire::Ws, "a").replacen("GET /ws", &format!("HEAD /{path}"), 1);
        let head = head_of(server.connect().await, &request).await;
        assert_eq!(head.status, 426, "{path}");
        assert_eq!(head.fields["upgrade"], "websocket");
    }
    assert_eq!(server.gateway.connections(), 0);
}

async fn the_admin_listener_answers_head_as_well() {
    let server = Server::start().await;
    for (target, status) in
        [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/connections", 200), ("/x", 404)]
    {
        let connection = Connection::open(server.gateway.admin_address).await;
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: 127.0.0.1");
        let answer = connection.request(&request, b"").await;
        assert_eq!(answer.status, status, "{target}");
        assert_ne!(answer.fields["content-length"], "0", "{target}");
    }
}

tricast_tests::each_delivery_and_transport!(head_is_answered_as_get_without_a_body);
tricast_tests::each_delivery!(head_opens_no_websocket, the_admin_listener_answers_head_as_well);
