//! Fake gateways and proxies for tests.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{Diagnosis, options::Options};

/// Options to examine `url` and nothing more.
pub(crate) fn options(url: &str) -> Options {
    let gateway = url.parse().expect("a URL");
    Options { gateway, token: None, channel: None, ca_file: None, idle: Duration::ZERO }
}

/// Examines a gateway to the end.
pub(crate) async fn examine(options: Options) -> anyhow::Result<Diagnosis> {
    crate::examine(options, |_| {}, std::future::pending()).await
}

/// A response with a length, after which the connection closes.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A problem document of the gateway.
pub(crate) fn problem(status: &str, kind: &str) -> String {
    let body = format!(r#"{{"type":"urn:tricast:{kind}","detail":"it says why"}}"#);
    answer(status, "content-type: application/problem+json\r\n", &body)
}

/// The response of a gateway to a publish request.
pub(crate) fn published() -> String {
    answer("200 OK", "", r#"{"id":"log-1"}"#)
}

/// A stream that sends its hello, and then nothing.
pub(crate) fn silent_stream() -> String {
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
     data: {\"event\":\"tricast.hello\"}\n\n"
        .to_owned()
}

/// Serves each request with `answers`; a response without a length keeps its connection open.
pub(crate) async fn server(answers: impl Fn(&str) -> String + Clone + Send + 'static) -> String {
    connections(move |mut client| {
        let answers = answers.clone();
        async move {
            let Some(received) = request(&mut client).await else { return };
            let response = answers(&received);
            send(&mut client, &response).await;
            if !response.contains("content-length") {
                let _ = client.read_to_end(&mut Vec::new()).await;
            }
        }
    })
    .await
}

/// Serves each connection with `serve`.
pub(crate) async fn connections<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client));
        }
    });
    format!("http://{address}")
}

pub(crate) async fn send(client: &mut TcpStream, response: &str) {
    // The client may have closed the connection.
    let _ = client.write_all(response.as_bytes()).await;
}

/// Reads a whole request.
pub(crate) async fn request(client: &mut TcpStream) -> Option<String> {
    let mut received = String::new();
    let mut bytes = vec![0; 65_536];
    loop {
        if let Some((head, body)) = received.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).map(|rest| {
                rest.lines().next().and_then(|length| length.parse().ok()).unwrap_or(0)
            });
            let whole = match length {
                Some(length) => body.len() >= length,
                None => !head.contains("transfer-encoding: chunked") || body.ends_with("0\r\n\r\n"),
            };
            if whole {
                return Some(received);
            }
        }
        match client.read(&mut bytes).await {
            Ok(count @ 1..) => received.push_str(&String::from_utf8_lossy(&bytes[..count])),
            _ => return None,
        }
    }
}
