//! TLS of the gateway's own: protocols, certificates that change, handshakes that fail.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use tricast_tests::{Certificate, Server, eventually};

async fn server_with(certificate: &Certificate, more: &str) -> Server {
    let [chain, key] = ["cert.pem", "key.pem"].map(|name| certificate.file(name));
    let tls = format!(
        "[tls]\nbind = \"127.0.0.1:0\"\ncertificate = {chain:?}\nkey = {key:?}\nlook = \"1s\"\n\
         {more}"
    );
    Server::with(&tls).await
}

async fn connect(
    server: &Server,
    certificate: &Certificate,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let address = server.gateway.tls_address().expect("one");
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    certificate.connector(protocols).connect("localhost".try_into().expect("a name"), socket).await
}

/// Reads until `word` has arrived.
async fn read_until(stream: &mut TlsStream<TcpStream>, word: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_buf(&mut bytes)).await;
        assert!(
            read.expect("in time").expect("reads") > 0,
            "{:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
    String::from_utf8(bytes).expect("UTF-8")
}

async fn a_client_gets_the_protocol_that_it_asks_for() {
    let certificate = Certificate::make();
    let server = server_with(&certificate, "").await;
    for (asked, got) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = connect(&server, &certificate, asked).await.expect("connects");
        assert_eq!(stream.get_ref().1.alpn_protocol(), got, "{asked:?}");
    }
    let refused = connect(&server, &certificate, &["smtp"]).await;
    assert!(refused.is_err(), "RFC 7301 section 3.2: no protocol in common is an error");
}

async fn a_new_certificate_serves_new_connections_and_disturbs_no_stream() {
    let mut certificate = Certificate::make();
    let server = server_with(&certificate, "").await;
    let mut stream = connect(&server, &certificate, &["http/1.1"]).await.expect("connects");
    stream.write_all(b"GET /chunked/a?format=raw HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("asks");
    read_until(&mut stream, "\r\n\r\n").await;
    let old = certificate.connector(&[]);
    certificate.renew();
    eventually("the new certificate", async || {
        connect(&server, &certificate, &[]).await.ok().map(drop)
    })
    .await;
    let address = server.gateway.tls_address().expect("one");
    let socket = TcpStream::connect(address).await.expect("connects");
    let name = "localhost".try_into().expect("a name");
    assert!(old.connect(name, socket).await.is_err(), "the old one is gone");
    server.publish("a", "still here").await;
    assert_eq!(read_until(&mut stream, "\n\r\n").await, "B\r\nstill here\n\r\n");
}

async fn a_broken_certificate_leaves_the_old_one_in_place() {
    let certificate = Certificate::make();
    let server = server_with(&certificate, "").await;
    std::fs::write(certificate.file("key.pem"), "no key").expect("writes");
    server.gateway.reload_certificate().await;
    connect(&server, &certificate, &[]).await.expect("as before");
}

async fn an_unfinished_handshake_is_closed_after_its_timeout() {
    let certificate = Certificate::make();
    let server = server_with(&certificate, "[limits]\nhead_timeout = \"300ms\"").await;
    let address = server.gateway.tls_address().expect("one");
    for said in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
    {
        let mut socket = TcpStream::connect(address).await.expect("connects");
        socket.write_all(said).await.expect("takes it");
        let mut rest = Vec::new();
        let read = socket.read_to_end(&mut rest);
        // A reset is an end too.
        let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("ends");
        assert!(!rest.starts_with(b"HTTP"), "{:?}", String::from_utf8_lossy(&rest));
    }
    eventually("nobody is left", async || {
        (server.metric("tricast_sockets").await <= 1.0).then_some(())
    })
    .await;
}

async fn a_half_closed_client_of_an_encrypted_stream_is_noticed() {
    let certificate = Certificate::make();
    let server = server_with(&certificate, "[stream]\nheartbeat = \"100ms\"").await;
    let mut stream = connect(&server, &certificate, &["http/1.1"]).await.expect("connects");
    // Bytes after the request keep the library from reading on.
    stream.write_all(b"GET /sse/a HTTP/1.1\r\nHost: t\r\n\r\nGET /").await.expect("asks");
    read_until(&mut stream, "\r\n\r\n").await;
    eventually("one listens", async || (server.gateway.connections() == 1).then_some(())).await;
    drop(stream);
    eventually("nobody listens", async || (server.gateway.connections() == 0).then_some(())).await;
}

tricast_tests::each_delivery!(
    a_client_gets_the_protocol_that_it_asks_for,
    a_new_certificate_serves_new_connections_and_disturbs_no_stream,
    a_broken_certificate_leaves_the_old_one_in_place,
    an_unfinished_handshake_is_closed_after_its_timeout,
    a_half_closed_client_of_an_encrypted_stream_is_noticed
);
