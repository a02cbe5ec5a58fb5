//! HTTP/2 itself (RFC 9113): in clear with prior knowledge, hundreds of streams on a connection,
//! windows that run out.

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest, ext::Protocol};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tricast_tests::{Server, eventually};

mod life;
mod pages;
mod streams;

const PATIENCE: Duration = Duration::from_secs(10);

/// A connection in clear; a stream and all of them may have so much under way.
async fn connect(server: &Server, stream: u32, connection: u32) -> SendRequest<Bytes> {
    connect_over(server, stream, connection, std::future::pending()).await
}

/// The same, over a network that is away for two seconds once `leaves` is over.
async fn connect_over(
    server: &Server,
    stream: u32,
    connection: u32,
    leaves: impl Future<Output = ()> + Send + 'static,
) -> SendRequest<Bytes> {
    let socket =
        TcpStream::connect(server.gateway.address().expect("one")).await.expect("connects");
    socket.set_nodelay(true).expect("a socket");
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(stream).initial_connection_window_size(connection);
    let (sender, driver) = builder.handshake(socket).await.expect("speaks HTTP/2");
    tokio::spawn(async move {
        let mut driver = std::pin::pin!(driver);
        // The connection ends with the gateway.
        tokio::select! {
            _ = &mut driver => return,
            () = leaves => {}
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _ = driver.await;
    });
    sender.ready().await.expect("is open")
}

async fn ask(
    sender: &SendRequest<Bytes>,
    method: Method,
    path: &str,
    body: &str,
) -> Response<RecvStream> {
    ask_within(PATIENCE, sender, method, path, body).await
}

async fn ask_within(
    limit: Duration,
    sender: &SendRequest<Bytes>,
    method: Method,
    path: &str,
    body: &str,
) -> Response<RecvStream> {
    let request = Request::builder().method(method).uri(format!("http://t{path}"));
    let mut sender = sender.clone().ready().await.expect("is open");
    let request = request.body(()).expect("a request");
    let (answer, mut send) = sender.send_request(request, body.is_empty()).expect("sends");
    if !body.is_empty() {
        send.send_data(Bytes::copy_from_slice(body.as_bytes()), true).expect("sends");
    }
    timeout(limit, answer).await.expect("in time").expect("answers")
}

/// Lines of a chunked stream.
struct Lines {
    body: RecvStream,
    bytes: Vec<u8>,
}

impl Lines {
    async fn open(sender: &SendRequest<Bytes>, channel: &str) -> Self {
        let answer = ask(sender, Method::GET, &format!("/chunked/{channel}"), "").await;
        assert_eq!(answer.status(), 200);
        let mut lines = Self { body: answer.into_body(), bytes: Vec::new() };
        assert_eq!(lines.next().await["event"], "tricast.hello");
        lines
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                if line.len() > 1 {
                    return serde_json::from_slice(&line).expect("a document");
                }
                continue;
            }
            let data = timeout(PATIENCE, self.body.data()).await.expect("in time");
            let data = data.expect("goes on").expect("is not reset");
            self.body.flow_control().release_capacity(data.len()).expect("is open");
            self.bytes.extend_from_slice(&data);
        }
    }
}
