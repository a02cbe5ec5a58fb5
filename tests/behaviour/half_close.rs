//! Clients that close their sending side right behind a request (RFC 9112 §9.6): the request is
//! answered. On an open stream it means that the client has left.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tricast_tests::{
    Certificate, Connection, Endpoint as _, Server, Wire, eventually, stream_head,
};

/// A race would be won sometimes.
const ROUNDS: usize = 20;

/// Readers that leave at once.
const CROWD: usize = 1000;

/// Sends `bytes` and closes the sending side at once.
async fn send_all_and_close(connection: &mut Connection, bytes: &[u8]) {
    connection.send(bytes).await;
    close_sending_side(connection);
}

fn close_sending_side(connection: &Connection) {
    let socket = socket2::SockRef::from(&connection.socket);
    socket.shutdown(std::net::Shutdown::Write).expect("a socket");
}

/// The whole answer to `bytes`, to the end of the connection.
async fn answer_to(server: &Server, bytes: &[u8]) -> String {
    let mut connection = server.connect().await;
    send_all_and_close(&mut connection, bytes).await;
    // The frames of a WebSocket are not text.
    String::from_utf8_lossy(&connection.rest().await).into_owned()
}

/// A connection over TLS to the gateway itself.
async fn connect_encrypted(server: &Server, certificate: &Certificate) -> TlsStream<TcpStream> {
    let address = server.gateway.tls_address().expect("one");
    let socket = TcpStream::connect(address).await.expect("connects");
    let name = "localhost".try_into().expect("a name");
    certificate.connector(&["http/1.1"]).connect(name, socket).await.expect("speaks TLS")
}

async fn encrypted_server(certificate: &Certificate) -> Server {
    let [chain, key] = ["cert.pem", "key.pem"].map(|name| certificate.file(name));
    let tls = format!("[tls]\nbind = \"127.0.0.1:0\"\ncertificate = {chain:?}\nkey = {key:?}");
    Server::with(&tls).await
}

/// Closes the sending side of TLS alone: the socket stays open in both directions.
async fn send_close_notify(stream: &mut TlsStream<TcpStream>) {
    stream.get_mut().1.send_close_notify();
    stream.flush().await.expect("takes it");
}

/// Reads to the end. A connection that ends without a close_notify has ended too.
async fn rest_of(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    // What was read before an error is kept.
    let _ = read.expect("ends");
    bytes
}

/// How many messages of `channel` were published.
async fn published(server: &Server, channel: &str) -> usize {
    let history = server.get(&format!("/history/{channel}")).await.json();
    history["messages"].as_array().expect("a list").len()
}

const READS: [&str; 3] = [
    "GET /channels HTTP/1.0\r\n\r\n",
    "GET /channels HTTP/1.1\r\nHost: t\r\n\r\n",
    "GET /channels HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
];

async fn a_whole_request_is_answered() {
    let server = Server::start().await;
    for request in READS {
        for round in 0..ROUNDS {
            let answer = answer_to(&server, request.as_bytes()).await;
            let good = answer.contains(" 200 OK\r\n") && answer.contains("{\"channels\":[]");
            assert!(good, "round {round}: {request:?}: {answer:?}");
        }
    }
    let mut admin = Connection::open(server.gateway.admin_address).await;
    send_all_and_close(&mut admin, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = String::from_utf8(admin.rest().await).expect("UTF-8");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer:?}");
}

/// Requests that publish `count` messages each.
fn publishing(channel: &str) -> [(String, usize); 5] {
    let head =
        |fields: &str| format!("POST /publish/{channel} HTTP/1.1\r\nHost: t\r\n{fields}\r\n");
    let lines = "Content-Type: application/x-ndjson\r\n";
    [
        (head("Content-Length: 5\r\n") + "hello", 1),
        (format!("POST /publish/{channel} HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"), 1),
        (head("Expect: 100-continue\r\nContent-Length: 5\r\n") + "hello", 1),
        (head(&format!("{lines}Transfer-Encoding: chunked\r\n")) + "2\r\n1\n\r\n0\r\n\r\n", 1),
        (head(&format!("{lines}Content-Length: 6\r\n")) + "1\n2\n3\n", 3),
    ]
}

async fn a_publish_is_confirmed_and_published_once() {
    let server = Server::start().await;
    for (kind, (request, count)) in publishing("a").into_iter().enumerate() {
        for round in 0..ROUNDS {
            let channel = format!("a{kind}-{round}");
            let request = request.replace("/publish/a ", &format!("/publish/{channel} "));
            let answer = answer_to(&server, request.as_bytes()).await;
            assert!(answer.contains(" 200 OK\r\n"), "round {round}: {request:?}: {answer:?}");
            assert_eq!(published(&server, &channel).await, count, "{request:?}");
        }
    }
}

/// Requests behind each other, and the end right behind the last one.
async fn every_pipelined_request_is_answered_in_order() {
    let server = Server::start().await;
    for round in 0..ROUNDS {
        let requests: String = (0..20)
            .map(|number| {
                format!(
                    "POST /publish/p{round} HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n\
                     {number:02}"
                )
            })
            .collect();
        let requests = requests + "GET /channels?prefix=none HTTP/1.1\r\nHost: t\r\n\r\n";
        let answers = answer_to(&server, requests.as_bytes()).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 21, "{answers:?}");
        let last = answers.rsplit("\r\n\r\n").next().expect("a body");
        assert!(last.starts_with("{\"channels\":[]"), "{last}");
        let history = server.get(&format!("/history/p{round}")).await.json();
        let data = history["messages"].as_array().expect("a list").iter();
        let data: Vec<_> = data.map(|message| message["data"].clone()).collect();
        let sent: Vec<_> = (0..20).map(|number| json!(format!("{number:02}"))).collect();
        assert_eq!(data, sent);
    }
}

/// The answer does not fit into the buffers of the sockets: the end of the request must not cut it.
async fn a_large_answer_arrives_whole() {
    let server = Server::start().await;
    let large = "x".repeat(900_000);
    server.publish("large", &large).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    let mut reader = Connection::over(socket.connect(server.address()).await.expect("connects"));
    send_all_and_close(&mut reader, b"GET /history/large HTTP/1.1\r\nHost: t\r\n\r\n").await;
    let answer = reader.rest().await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains(&large) && text.ends_with('}'), "{} bytes", answer.len());
}

/// Only a whole request is answered as one. The rest ends at once, and leaves no socket open.
async fn half_a_request_publishes_nothing_and_ends() {
    let server = Server::start().await;
    for (kind, (request, count)) in publishing("half").into_iter().enumerate() {
        let whole = request.len();
        for cut in [1, whole / 2, whole - 1] {
            let channel = format!("half{kind}-{cut}");
            let request = request.replace("/publish/half ", &format!("/publish/{channel} "));
            let sent = &request[..request.len() - (whole - cut)];
            let answer = answer_to(&server, sent.as_bytes()).await;
            assert!(!answer.contains(" 200 OK\r\n"), "{sent:?}: {answer:?}");
            // Whole lines of a body that breaks off are published, as they arrive.
            let most = if sent.contains("ndjson") { count } else { 0 };
            assert!(published(&server, &channel).await <= most, "{sent:?}");
        }
    }
    eventually("the sockets are closed", async || {
        (server.metric("tricast_sockets").await <= 1.0).then_some(())
    })
    .await;
}

async fn a_request_for_a_stream_leaves_nothing_behind(wire: Wire) {
    let server = Server::start().await;
    for round in 0..ROUNDS {
        let request = format!("{}\r\n\r\n", stream_head(wire, &format!("s{round}")));
        let answer = answer_to(&server, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer:?}");
    }
    expect_nobody(&server).await;
}

/// A request that publishes and then reads: the first half is a whole request.
async fn a_post_that_opens_a_stream_publishes_once(wire: Wire) {
    let server = Server::start().await;
    for round in 0..ROUNDS {
        let request = format!(
            "POST /{}/s{round} HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi",
            wire.name()
        );
        answer_to(&server, request.as_bytes()).await;
        eventually("it is published", async || {
            (published(&server, &format!("s{round}")).await == 1).then_some(())
        })
        .await;
    }
    expect_nobody(&server).await;
}

async fn expect_nobody(server: &Server) {
    eventually("nobody is left", async || {
        let sockets = server.metric("tricast_sockets").await;
        (server.gateway.connections() == 0 && sockets <= 1.0).then_some(())
    })
    .await;
}

async fn a_reader_that_closes_its_side_has_left(wire: Wire) {
    let server = Server::start().await;
    // The second one has sent more than its request, which a stream has no use for.
    for (behind, quiet) in [("", true), ("GET /", true), ("", false), ("GET /", false)] {
        if wire == Wire::Ws && !behind.is_empty() {
            continue;
        }
        let mut reader = server.connect().await;
        reader.send(format!("{}\r\n\r\n{behind}", stream_head(wire, "a"))).await;
        assert!(reader.head().await.status < 300);
        eventually("one reads", async || (server.gateway.connections() == 1).then_some(())).await;
        if !quiet {
            server.publish("a", "x").await;
        }
        close_sending_side(&reader);
        expect_nobody(&server).await;
        reader.rest().await;
    }
    assert_eq!(server.online("a").await["connections"], 0);
}

async fn a_crowd_that_leaves_by_closing_its_side_is_not_counted() {
    let server = Server::start().await;
    let mut readers = Vec::new();
    for index in 0..CROWD {
        let wire = [Wire::Sse, Wire::Chunked][index % 2];
        let mut reader = server.connect().await;
        reader.send(format!("{}\r\n\r\n", stream_head(wire, "a"))).await;
        readers.push(reader);
    }
    eventually("all read", async || (server.gateway.connections() == CROWD).then_some(())).await;
    readers.iter().for_each(close_sending_side);
    expect_nobody(&server).await;
}

/// The end of TLS alone, with the socket open in both directions.
async fn a_close_notify_behind_a_request_is_no_refusal_of_the_answer() {
    let certificate = Certificate::make();
    let server = encrypted_server(&certificate).await;
    let requests = publishing("a").map(|(request, _)| request);
    let reads = READS.map(str::to_owned);
    for request in requests.iter().chain(&reads) {
        for round in 0..ROUNDS {
            let mut stream = connect_encrypted(&server, &certificate).await;
            stream.write_all(request.as_bytes()).await.expect("takes it");
            send_close_notify(&mut stream).await;
            let answer = String::from_utf8(rest_of(&mut stream).await).expect("UTF-8");
            assert!(answer.contains(" 200 OK\r\n"), "round {round}: {request:?}: {answer:?}");
        }
    }
    assert_eq!(published(&server, "a").await, ROUNDS * (4 + 3));
}

async fn a_close_notify_on_a_stream_means_that_its_client_has_left(wire: Wire) {
    let certificate = Certificate::make();
    let server = encrypted_server(&certificate).await;
    for behind in ["", "GET /"] {
        if wire == Wire::Ws && !behind.is_empty() {
            continue;
        }
        let mut stream = connect_encrypted(&server, &certificate).await;
        let request = format!("{}\r\n\r\n{behind}", stream_head(wire, "a"));
        stream.write_all(request.as_bytes()).await.expect("takes it");
        eventually("one reads", async || (server.gateway.connections() == 1).then_some(())).await;
        send_close_notify(&mut stream).await;
        expect_nobody(&server).await;
    }
}

mod over_tls {
    mod read {
        tricast_tests::test_over!(tls Tls, super::super::a_whole_request_is_answered());
    }
    mod publish {
        tricast_tests::test_over!(
            tls Tls, super::super::a_publish_is_confirmed_and_published_once());
    }
    mod pipelined {
        tricast_tests::test_over!(
            tls Tls, super::super::every_pipelined_request_is_answered_in_order());
    }
}

tricast_tests::each_delivery!(
    a_whole_request_is_answered,
    a_publish_is_confirmed_and_published_once,
    every_pipelined_request_is_answered_in_order,
    a_large_answer_arrives_whole,
    half_a_request_publishes_nothing_and_ends,
    a_crowd_that_leaves_by_closing_its_side_is_not_counted,
    a_close_notify_behind_a_request_is_no_refusal_of_the_answer,
);
tricast_tests::each_http_wire!(a_post_that_opens_a_stream_publishes_once);
tricast_tests::each_wire!(
    a_request_for_a_stream_leaves_nothing_behind,
    a_reader_that_closes_its_side_has_left,
    a_close_notify_on_a_stream_means_that_its_client_has_left,
);
