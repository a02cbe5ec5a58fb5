//! The hook asks the user's own service; every answer that is not clearly yes is a refusal.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tricast_admission::KeyHash;
use tricast_tests::{
    Answer, Backend, Event, Reader, Reply, SECRET, Server, Wire, eventually, stream_head, token,
    token_of,
};

mod answers;
mod asks;
mod trouble;

const KEY: &str = "tricast_key_the-backend-that-is-asked-by-the-hook";

/// A gateway that asks `backend` about `on`. `more` is appended to [hook], and may open further
/// sections. The service has time for its answer: a question that is given up is another failure.
async fn server(backend: &Backend, on: &[&str], more: &str) -> Server {
    let timeout = if more.contains("timeout") { "" } else { "timeout = \"20s\"\n" };
    let url = backend.url();
    Server::with(&format!("[hook]\nurl = \"{url}\"\non = {on:?}\n{timeout}{more}")).await
}

fn with_tokens(more: &str) -> String {
    format!("{more}\n[tokens]\nsecret = \"{SECRET}\"")
}

/// The result of a request: the head of a stream, or a whole answer.
async fn outcome(server: &Server, head: &str) -> Answer {
    let mut connection = server.connect().await;
    connection.send(format!("{head}\r\n\r\n")).await;
    let head = connection.head().await;
    let body = match head.content_length() {
        Some(length) => connection.take(length).await,
        None => Vec::new(),
    };
    Answer { status: head.status, fields: head.fields, body }
}

async fn opens(server: &Server, wire: Wire, target: &str) -> Answer {
    outcome(server, &stream_head(wire, target)).await
}

fn is_open(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 101) && answer.body.is_empty()
}

/// Refused for now: a browser's EventSource needs the refusal inside a stream.
fn is_refused_for_now(wire: Wire, answer: &Answer) -> bool {
    match wire {
        Wire::Sse => answer.status == 200 && answer.text().contains("\"reason\":\"overloaded\""),
        Wire::Chunked | Wire::Ws => {
            answer.fields.contains_key("retry-after") && answer.problem() == "unavailable"
        }
    }
}

fn forbidden(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{answer:?}");
    answer.json()["detail"].as_str().expect("text").to_owned()
}

async fn calls(server: &Server, result: &str) -> f64 {
    server.metric(&format!("tricast_hook_calls_total{{result=\"{result}\"}}")).await
}
