//! Stop: who may, in every state, and that it reaches the service.

use serde_json::json;
use tricast_tests::{Reader, Upstream, Wire, each_wire};

use super::*;

async fn cancel(server: &Server, run: &str, fields: &str) -> Answer {
    let head = format!("POST /llm/runs/{run}/cancel HTTP/1.1\r\nHost: t\r\nContent-Length: 0");
    server.request(&format!("{head}{fields}"), b"").await
}

async fn a_cancelled_answer_ends_everywhere(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = guarded(&upstream, "").await;
    let (alice, bob) = (prompter("alice", &["@*", "a"]), prompter("bob", &["@*"]));
    let mut reader = Reader::open(&server, wire, &format!("a?token={bob}")).await;
    reader.control("hello").await;
    let run = start(&server, "/a", &bearer(&alice), "Hi").await;
    let mut call = upstream.call().await;
    call.begin().await;
    call.delta("So far").await;
    assert_eq!(next(&mut reader).await.0, "start");
    assert_eq!(next(&mut reader).await.0, "delta");
    let not_his = cancel(&server, &run, &bearer(&bob)).await;
    assert_eq!((not_his.status, not_his.problem().as_str()), (403, "forbidden"));
    let stopped = cancel(&server, &run, &bearer(&alice)).await;
    assert_eq!((stopped.status, &stopped.json()["status"]), (200, &json!("cancelled")));
    call.closed().await;
    let (event, end) = next(&mut reader).await;
    assert_eq!(
        (event.as_str(), &end["status"], &end["by"]),
        ("end", &json!("cancelled"), &json!("user"))
    );
    assert_eq!(content(&end), "So far");
    let again = cancel(&server, &run, &bearer(KEY)).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("cancelled")));
}

/// A command is answered at once, and the end comes as a message.
async fn a_command_cancels(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let mut reader = Reader::open(&server, wire, "a").await;
    reader.control("hello").await;
    let mut socket = Reader::open(&server, Wire::Ws, "b").await;
    socket.control("hello").await;
    let run = start(&server, "/a", "", "Hi").await;
    let call = upstream.call().await;
    socket.send(&format!(r#"{{"type":"cancel","run":"{run}","ref":"r"}}"#)).await;
    let ack = socket.control("ack").await;
    assert_eq!((&ack["run"], &ack["status"]), (&json!(run), &json!("cancelling")));
    call.closed().await;
    assert_eq!(next(&mut reader).await.0, "start");
    let (event, end) = next(&mut reader).await;
    assert_eq!((event.as_str(), &end["status"]), ("end", &json!("cancelled")), "{end}");
}

each_wire!(a_cancelled_answer_ends_everywhere, a_command_cancels);

/// An id is no right: who may not read the channel learns nothing of its runs.
#[tokio::test]
async fn a_run_is_hidden_from_who_may_not_read_its_channel() {
    let upstream = Upstream::start().await;
    let server = guarded(&upstream, "").await;
    let (alice, bob) = (prompter("alice", &["@*"]), prompter("bob", &["@*"]));
    let run = start(&server, "", &bearer(&alice), "Hi").await;
    let call = upstream.call().await;
    let get = |path: String, token: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: t{}", bearer(token));
        let server = &server;
        async move { server.request(&head, b"").await }
    };
    let own = get(format!("/llm/runs/{run}"), &alice).await;
    assert_eq!((own.status, &own.json()["channel"]), (200, &json!("@alice")));
    let foreign = get(format!("/llm/runs/{run}"), &bob).await;
    assert_eq!((foreign.status, foreign.problem().as_str()), (404, "unknown-run"));
    let stopped = cancel(&server, &run, &bearer(&bob)).await;
    assert_eq!((stopped.status, stopped.problem().as_str()), (404, "unknown-run"));
    let listed = get("/llm/runs?channel=@alice".to_owned(), &alice).await.json();
    assert_eq!(listed["runs"][0]["run"], run.as_str(), "{listed}");
    assert_eq!(get("/llm/runs?channel=@alice".to_owned(), &bob).await.status, 403);
    call.answer(&["Yes"]).await;
}

/// The request that asks for it ends its answer by leaving.
#[tokio::test]
async fn an_answer_can_end_with_its_request() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let mut connection = server.connect().await;
    connection
        .send(
            "POST /llm/a HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nTricast-Leave: cancel\r\n\
             Accept: text/event-stream\r\n\r\nHi",
        )
        .await;
    let run = connection.head().await.fields["tricast-run"].clone();
    let mut call = upstream.call().await;
    call.begin().await;
    call.delta("So far").await;
    drop(connection);
    call.closed().await;
    tricast_tests::eventually("it has ended", async || {
        let report = server.get(&format!("/llm/runs/{run}")).await.json();
        (report["status"] == "cancelled" && report["by"] == "left").then_some(())
    })
    .await;
}

/// Nothing streams the answer to the request, so there is nothing to leave.
#[tokio::test]
async fn an_answer_that_no_response_streams_goes_on() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, &format!("{OPEN}[relay]\nleave = \"cancel\"\n")).await;
    let mut socket = Reader::open(&server, Wire::Ws, "b").await;
    socket.control("hello").await;
    let posted = start(&server, "/a", "\r\nTricast-Leave: cancel", "Hi").await;
    upstream.call().await.answer(&["Yes"]).await;
    socket.send(r#"{"type":"prompt","channel":"c","text":"Hi","ref":"r"}"#).await;
    let sent = socket.control("ack").await["run"].as_str().expect("an id").to_owned();
    upstream.call().await.answer(&["Yes"]).await;
    for run in [posted, sent] {
        tricast_tests::eventually("it is complete", async || {
            let report = server.get(&format!("/llm/runs/{run}")).await.json();
            (report["status"] == "complete").then_some(())
        })
        .await;
    }
}
