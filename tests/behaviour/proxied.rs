//! The identity of clients after proxies: PROXY headers, `Forwarded`, unix sockets; and that no
//! client can forge it.

use std::path::Path;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tricast_tests::{Connection, Endpoint as _, Server, Wire, stream_head};

/// The address that the gateway takes the one connection for.
async fn connection_address(server: &Server) -> Value {
    let listed = server.admin("/connections").await.json();
    assert_eq!(listed["connections"].as_array().map(Vec::len), Some(1), "{listed}");
    listed["connections"][0]["address"].clone()
}

async fn connect_with(server: &Server, bytes: &[u8]) -> Connection {
    let mut connection = Connection::open(server.address()).await;
    connection.send(bytes).await;
    connection
}

const WITH_HEADERS: &str = "[proxy]\ntrusted = [\"127.0.0.1\"]\nprotocol = true";

/// 192.0.2.7:5678 to 192.0.2.1:80, TCP over IPv4 (the PROXY protocol, §2.2).
const VERSION_2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x16\x2e\x00\x50";

async fn a_proxy_header_carries_the_clients_address(wire: Wire) {
    let version_1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 5678 80\r\n";
    for header in [&version_1[..], VERSION_2] {
        let server = Server::with(WITH_HEADERS).await;
        let head = format!("{}\r\n\r\n", stream_head(wire, "a"));
        let mut connection = connect_with(&server, &[header, head.as_bytes()].concat()).await;
        let status = if wire == Wire::Ws { 101 } else { 200 };
        assert_eq!(connection.head().await.status, status);
        assert_eq!(connection_address(&server).await, "192.0.2.7");
    }
}

async fn a_unix_socket_is_a_way_in(wire: Wire) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let server = server_at(&path, "trusted = [\"unix\"]").await;
    let mut socket = UnixStream::connect(&path).await.expect("connects");
    let head = format!("{}\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n", stream_head(wire, "a"));
    socket.write_all(head.as_bytes()).await.expect("asks");
    let mut bytes = Vec::new();
    let mut until = async |word: &str| {
        while !bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
            assert!(socket.read_buf(&mut bytes).await.expect("reads") > 0);
        }
    };
    until("tricast.hello").await;
    assert_eq!(connection_address(&server).await, "192.0.2.7");
    server.publish("a", "over the socket").await;
    until("over the socket").await;
    drop(socket);
    tricast_tests::eventually("nobody is left", async || {
        (server.gateway.connections() == 0).then_some(())
    })
    .await;
}

async fn server_at(path: &Path, proxy: &str) -> Server {
    let unix = format!("unix:{}", path.display());
    Server::with(&format!("bind = [\"127.0.0.1:0\", {unix:?}]\n[proxy]\n{proxy}")).await
}

async fn a_trusted_proxy_has_to_send_a_header() {
    let server = Server::with(WITH_HEADERS).await;
    let mut connection = connect_with(&server, b"GET /online/a HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert!(connection.rest().await.is_empty(), "closed without a word");
    let mut itself =
        connect_with(&server, b"PROXY UNKNOWN\r\nGET /online/a HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(itself.head().await.status, 200, "a health check");
}

async fn a_proxy_header_from_any_other_peer_is_refused() {
    let settings = ["", "[proxy]\nprotocol = true\ntrusted = [\"10.0.0.0/8\"]"];
    for settings in settings {
        let server = Server::with(settings).await;
        let mut connection = connect_with(
            &server,
            b"PROXY TCP4 192.0.2.7 192.0.2.1 5 80\r\nGET /sse/a HTTP/1.1\r\nHost: t\r\n\r\n",
        )
        .await;
        assert_eq!(connection.head().await.status, 400, "it is no HTTP");
        let head = format!("{}\r\n\r\n", stream_head(Wire::Sse, "a"));
        let mut plain = connect_with(&server, head.as_bytes()).await;
        assert_eq!(plain.head().await.status, 200);
    }
}

async fn after_a_proxy_header_fields_count_only_from_a_trusted_proxy() {
    for (trusted, address) in [("", "192.0.2.7"), (", \"192.0.2.0/24\"", "198.51.100.9")] {
        let settings = format!("[proxy]\ntrusted = [\"127.0.0.1\"{trusted}]\nprotocol = true");
        let server = Server::with(&settings).await;
        let head = stream_head(Wire::Sse, "a");
        let head = format!("{head}\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n");
        let mut connection = connect_with(&server, &[VERSION_2, head.as_bytes()].concat()).await;
        assert_eq!(connection.head().await.status, 200);
        assert_eq!(connection_address(&server).await, address);
    }
}

async fn only_the_fields_that_the_settings_name_are_believed() {
    let fields = "X-Forwarded-For: 198.51.100.1\r\nForwarded: for=\"198.51.100.2:99\";proto=https";
    for (name, address) in [("x-forwarded", "198.51.100.1"), ("forwarded", "198.51.100.2")] {
        let settings = format!("[proxy]\ntrusted = [\"127.0.0.1\"]\nfields = {name:?}");
        let server = Server::with(&settings).await;
        let head = format!("{}\r\n{fields}\r\n\r\n", stream_head(Wire::Sse, "a"));
        let mut connection = connect_with(&server, head.as_bytes()).await;
        assert_eq!(connection.head().await.status, 200);
        assert_eq!(connection_address(&server).await, address);
    }
}

async fn a_unix_peer_is_trusted_only_if_the_settings_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let server = server_at(&path, "trusted = []").await;
    let mut socket = UnixStream::connect(&path).await.expect("connects");
    let head = stream_head(Wire::Sse, "a");
    let head = format!("{head}\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("asks");
    tricast_tests::eventually("it listens", async || {
        (server.gateway.connections() == 1).then_some(())
    })
    .await;
    assert_eq!(connection_address(&server).await, Value::Null);
}

async fn the_gateway_knows_under_which_address_it_was_asked() {
    let client = "client=0123456789abcdef";
    let ask = async |settings: &str, fields: &str| {
        let server = Server::with(settings).await;
        let head = format!(
            "GET {}/dashboard/seen?{client} HTTP/1.1\r\nHost: inner:8080{fields}",
            if settings.contains("base_path") { "/realtime" } else { "" }
        );
        server.request(&head, b"").await.json()["url"].clone()
    };
    let fields = "\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example";
    assert_eq!(ask("", fields).await, "http://inner:8080", "anybody could say that");
    let trusting = "[proxy]\ntrusted = [\"127.0.0.1\"]";
    assert_eq!(ask(trusting, fields).await, "https://app.example");
    let below = format!("base_path = \"/realtime\"\n{trusting}");
    assert_eq!(ask(&below, "\r\nX-Forwarded-Proto: https").await, "https://inner:8080/realtime");
    let other = format!("{trusting}\nfields = \"forwarded\"");
    let fields = "\r\nForwarded: for=1.1.1.1;proto=https;host=\"app.example:8443\"";
    assert_eq!(ask(&other, fields).await, "https://app.example:8443");
}

/// Then the fields of its requests are only the client's claim.
async fn a_proxy_header_without_an_address_makes_an_unknown_client() {
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for header in [&b"PROXY UNKNOWN\r\n"[..], local] {
        let server = Server::with(WITH_HEADERS).await;
        let head = format!("{}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n", stream_head(Wire::Sse, "a"));
        let mut connection = connect_with(&server, &[header, head.as_bytes()].concat()).await;
        assert_eq!(connection.head().await.status, 200);
        assert_eq!(connection_address(&server).await, Value::Null);
    }
}

tricast_tests::each_wire!(a_proxy_header_carries_the_clients_address, a_unix_socket_is_a_way_in);

tricast_tests::each_delivery!(
    a_trusted_proxy_has_to_send_a_header,
    a_proxy_header_from_any_other_peer_is_refused,
    after_a_proxy_header_fields_count_only_from_a_trusted_proxy,
    only_the_fields_that_the_settings_name_are_believed,
    a_unix_peer_is_trusted_only_if_the_settings_say_so,
    the_gateway_knows_under_which_address_it_was_asked,
    a_proxy_header_without_an_address_makes_an_unknown_client
);
