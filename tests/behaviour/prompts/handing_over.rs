//! An answer ends before the gateway hands over; until then the old one serves everybody else.

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tricast_tests::{Answer, Connection, Reader, Upstream, Wire, eventually, program};

use super::*;
use crate::{handover::end_successor, service::signal};

async fn post(address: std::net::SocketAddr, path: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 2");
    Connection::open(address).await.request(&head, b"Hi").await
}

async fn an_answer_ends_before_a_handover(log: Option<&TempDir>) {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    let log = log.map_or_else(String::new, |log| format!("[log]\npath = {:?}\n", log.path()));
    let settings = format!("{}{OPEN}{log}[shutdown]\ngrace = \"16s\"\n", upstream.settings(""));
    std::fs::write(&file, settings).expect("writes");
    let mut command = program::tricast();
    command.arg("--config").arg(&file);
    let (mut child, address, admin) = program::start_both(&mut command).await;
    let mut reader = Reader::open(&address, Wire::Sse, "a").await;
    reader.control("hello").await;
    assert_eq!(post(address, "/llm/a").await.status, 202);
    let mut call = upstream.call().await;
    call.begin().await;
    call.delta("So ").await;
    assert_eq!(next(&mut reader).await.0, "start");
    assert_eq!(next(&mut reader).await.0, "delta");
    signal(child.id().expect("it runs"), Signal::USR2);
    // Until then they are refused because of the answer that is under way.
    eventually("new prompts are refused", async || {
        let answer = post(address, "/llm/a").await;
        (answer.status == 503 && answer.problem() == "draining").then_some(())
    })
    .await;
    // The others notice nothing yet.
    assert_eq!(post(address, "/publish/a").await.status, 200);
    assert_eq!(reader.data().await, "Hi");
    call.delta("be it").await;
    call.finish().await;
    let (event, data) = next(&mut reader).await;
    assert_eq!((event.as_str(), &data["choices"][0]["at"]), ("delta", &json!(3)), "{data}");
    let (event, end) = next(&mut reader).await;
    assert_eq!((event.as_str(), &end["status"]), ("end", &json!("complete")), "{end}");
    assert_eq!(content(&end), "So be it");
    assert_eq!(reader.control("goodbye").await["reason"], "draining");
    drop(reader);
    assert!(child.wait().await.expect("ends").success());
    eventually("the new gateway answers prompts", async || {
        (post(address, "/llm/b").await.status == 202).then_some(())
    })
    .await;
    upstream.call().await.answer(&["Yes"]).await;
    end_successor(admin).await;
}

#[tokio::test]
async fn in_memory() {
    an_answer_ends_before_a_handover(None).await;
}

#[tokio::test]
async fn with_a_log_on_disk() {
    let log = tempfile::tempdir().expect("a folder");
    an_answer_ends_before_a_handover(Some(&log)).await;
}
