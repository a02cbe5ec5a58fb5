//! `/connections` on the admin listener: lists connections, and closes them.

use serde_json::{Value, json};
use tricast_tests::{Answer, Connection, Event, Reader, SECRET, Server, Wire, token};

async fn admin(server: &Server, request: &str) -> Answer {
    let connection = Connection::open(server.gateway.admin_address).await;
    connection.request(&format!("{request} HTTP/1.1\r\nHost: localhost"), b"").await
}

async fn list(server: &Server, query: &str) -> Vec<Value> {
    let answer = admin(server, &format!("GET /connections{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["connections"].as_array().expect("a list").clone()
}

async fn a_connection_is_listed_and_closed(wire: Wire) {
    let settings =
        format!("[tokens]\nsecret = \"{SECRET}\"\n[proxy]\ntrusted = [\"127.0.0.1/32\"]");
    let server = Server::with(&settings).await;
    let open = async |user: &str, target: &str, address| {
        let token = token(user, &["*"], &[]);
        let target = format!("{target}?token={token}&client=tab-0123456789-{user}");
        let mut reader =
            Reader::open_with(&server, wire, &target, &[("X-Forwarded-For", address)]).await;
        reader.control("hello").await;
        reader
    };
    let mut alice = open("alice", "a,b", "192.0.2.1").await;
    let mut bob = open("bob", "b", "192.0.2.2").await;
    let all = list(&server, "").await;
    assert_eq!(all.len(), 2);
    let first = &all[0];
    assert_eq!(
        (&first["wire"], &first["user"], &first["address"], &first["channels"]),
        (&json!(wire.name()), &json!("alice"), &json!("192.0.2.1"), &json!(["a", "b"]))
    );
    assert!(first["since"].as_u64().is_some_and(|since| since > 1_700_000_000_000));
    let text = Value::from(all.clone()).to_string();
    assert!(!text.contains("tab-0123456789"), "a client id is a secret: {text}");
    let wire_name = wire.name();
    for (query, count) in [
        ("?user=alice".to_owned(), 1),
        ("?user=nobody".to_owned(), 0),
        ("?channel=b".to_owned(), 2),
        ("?channel=a".to_owned(), 1),
        ("?address=192.0.2.2".to_owned(), 1),
        (format!("?wire={wire_name}"), 2),
        ("?channel=b&user=bob".to_owned(), 1),
        ("?limit=1".to_owned(), 1),
        (format!("?after={}", first["id"]), 1),
    ] {
        assert_eq!(list(&server, &query).await.len(), count, "{query}");
    }
    let removed = admin(&server, &format!("DELETE /connections/{}", first["id"])).await;
    assert_eq!(removed.json(), json!({"removed": 1}));
    let goodbye = alice.control("goodbye").await;
    assert_eq!((&goodbye["reason"], &goodbye["reconnect"]), (&json!("removed"), &json!("never")));
    let end = if wire == Wire::Ws { Some((4200, "removed".to_owned())) } else { None };
    assert_eq!(alice.end().await, Event::End(end));
    tricast_tests::eventually("it is gone", async || {
        (list(&server, "").await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(
        admin(&server, &format!("DELETE /connections/{}", first["id"])).await.problem(),
        "not-found"
    );
    assert_eq!(admin(&server, "DELETE /connections?user=bob").await.json(), json!({"removed": 1}));
    bob.control("goodbye").await;
}

async fn the_channels_of_a_connection_are_listed_as_they_change() {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, Wire::Ws, "a").await;
    reader.control("hello").await;
    for (command, channels) in [
        (r#"{"type":"subscribe","channel":"b"}"#, json!(["a", "b"])),
        (r#"{"type":"unsubscribe","channel":"a"}"#, json!(["b"])),
    ] {
        reader.send(command).await;
        reader.control("ack").await;
        assert_eq!(list(&server, "").await[0]["channels"], channels);
    }
}

async fn bad_requests_close_no_connection() {
    let server = Server::start().await;
    let _reader = Reader::open(&server, Wire::Sse, "a").await;
    for (request, problem) in [
        ("DELETE /connections", "bad-parameter"),
        ("DELETE /connections?limit=1", "unknown-parameter"),
        ("DELETE /connections/99", "not-found"),
        ("DELETE /connections/x", "not-found"),
        ("GET /connections?wire=tcp", "bad-parameter"),
        ("GET /connections?address=here", "bad-parameter"),
        ("GET /connections?limit=0", "bad-parameter"),
        ("GET /nothing", "not-found"),
    ] {
        assert_eq!(admin(&server, request).await.problem(), problem, "{request}");
    }
    assert_eq!(server.gateway.connections(), 1);
}

/// A page that has its name resolve to loopback reaches this port too.
async fn no_page_reaches_the_admin_listener() {
    let server = Server::start().await;
    for fields in
        ["Origin: http://t", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors", "Origin: null"]
    {
        for request in ["GET /connections", "DELETE /connections?wire=sse", "GET /metrics"] {
            let connection = Connection::open(server.gateway.admin_address).await;
            let answer = connection
                .request(&format!("{request} HTTP/1.1\r\nHost: localhost\r\n{fields}"), b"")
                .await;
            assert_eq!(answer.problem(), "forbidden-origin", "{request} {fields}");
        }
    }
    // Any page can have a name of its own resolve to this address.
    for (host, status) in [
        ("t", 403),
        ("evil.example:9464", 403),
        ("127.0.0.1", 200),
        ("[::1]:9464", 200),
        ("localhost:1", 200),
    ] {
        let connection = Connection::open(server.gateway.admin_address).await;
        let answer =
            connection.request(&format!("GET /connections HTTP/1.1\r\nHost: {host}"), b"").await;
        assert_eq!(answer.status, status, "{host}");
    }
    let named = Server::with("[admin]\nhosts = [\"tricast\"]").await;
    let connection = Connection::open(named.gateway.admin_address).await;
    assert_eq!(
        connection.request("GET /metrics HTTP/1.1\r\nHost: Tricast:9464", b"").await.status,
        200
    );
    // An operator may use a browser.
    let connection = Connection::open(server.gateway.admin_address).await;
    let fields = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate";
    let answer = connection
        .request(&format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{fields}"), b"")
        .await;
    assert_eq!(answer.status, 200);
}

tricast_tests::each_wire!(a_connection_is_listed_and_closed);

tricast_tests::each_delivery!(
    the_channels_of_a_connection_are_listed_as_they_change,
    bad_requests_close_no_connection,
    no_page_reaches_the_admin_listener
);
