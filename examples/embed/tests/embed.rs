//! The example as a program: what a client of it sees.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The running example, on a port of its own; it ends with the test.
struct Example {
    process: Child,
    address: String,
}

impl Example {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tricast-embed"));
        let mut process =
            command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().expect("starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("is piped");
        BufReader::new(output).read_line(&mut line).expect("says where it listens");
        let address = line.trim_end().rsplit('/').next().expect("an address").to_owned();
        Self { process, address }
    }

    fn request(&self, head: &str, body: &str) -> Response {
        let mut socket = TcpStream::connect(&self.address).expect("connects");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let length = body.len();
        let request = format!("{head}\r\nHost: example\r\nContent-Length: {length}\r\n\r\n{body}");
        socket.write_all(request.as_bytes()).expect("is sent");
        Response { socket, received: String::new() }
    }

    /// Publishes; returns the message's id.
    fn publish(&self, channel: &str, text: &str) -> String {
        let mut response =
            self.request(&format!("POST /publish/{channel} HTTP/1.1\r\nConnection: close"), text);
        response.socket.read_to_string(&mut response.received).expect("is answered");
        assert!(response.received.starts_with("HTTP/1.1 200"), "{}", response.received);
        response.received.rsplit("\r\n\r\n").next().expect("a body").to_owned()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Response {
    socket: TcpStream,
    received: String,
}

impl Response {
    /// Reads on until `text` has come.
    fn read_until(&mut self, text: &str) -> &str {
        let mut bytes = [0; 1024];
        while !self.received.contains(text) {
            let count = self.socket.read(&mut bytes).expect("is received in time");
            assert!(count > 0, "ended before {text:?}: {}", self.received);
            self.received += std::str::from_utf8(&bytes[..count]).expect("is text");
        }
        &self.received
    }
}

#[test]
fn a_subscriber_receives_a_message_and_resumes_after_it() {
    let example = Example::start();
    let mut stream = example.request("GET /sse/news HTTP/1.1", "");
    let head = stream.read_until("event: tricast.hello\n");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/event-stream"), "{head}");

    let first = example.publish("news", "hello");
    let received = stream.read_until(&format!("\nid: {first}\n"));
    assert!(received.contains(r#""event":"message","data":"hello""#), "{received}");
    drop(stream);

    let second = example.publish("news", "again");
    let resume = format!("GET /sse/news HTTP/1.1\r\nLast-Event-ID: {first}");
    let mut stream = example.request(&resume, "");
    let received = stream.read_until(&format!("\nid: {second}\n"));
    assert!(received.contains(r#""recovered":true"#), "{received}");
    assert!(received.contains(r#""data":"again""#), "{received}");
    assert!(!received.contains(r#""data":"hello""#), "{received}");
}

#[test]
fn a_request_that_does_not_fit_is_refused_with_a_reason() {
    let example = Example::start();
    let mut response = example.request("POST /publish/no,channel HTTP/1.1", "x");
    assert!(response.read_until("a channel name is").starts_with("HTTP/1.1 400"));
}

#[test]
fn an_id_of_another_server_makes_a_gap() {
    let example = Example::start();
    let held = example.publish("news", "hello");
    let mut stream = example.request("GET /sse/news HTTP/1.1\r\nLast-Event-ID: nonsense", "");
    let received = stream.read_until(&format!("\nid: {held}\n"));
    assert!(received.starts_with("HTTP/1.1 200"), "{received}");
    assert!(received.contains(r#""event":"tricast.gap""#), "{received}");
}
