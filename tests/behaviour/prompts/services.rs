//! The application's own services: the hook decides about prompts, and learns of their answers. And
//! what a gateway does with answers when it goes down.

use serde_json::json;
use tricast_tests::{Backend, Event, Reader, Reply, Upstream, Wire, each_wire, eventually};

use super::*;

#[tokio::test]
async fn the_hook_chooses_the_model_and_adds_what_the_browser_does_not_see() {
    let upstream = Upstream::start().await;
    let terms = json!({
        "allow": true, "model": "main/m", "max_tokens": 7,
        "messages": [{"role": "system", "content": "Be brief"}],
    });
    let service = Backend::start(move |_| Reply::Json(terms.clone())).await;
    let hook = format!("[hook]\nurl = \"{}\"\non = [\"prompt\"]\n", service.url());
    let server = server(&upstream, &format!("{OPEN}[relay]\nmax_tokens = 100\n{hook}")).await;
    let mut reader = Reader::open(&server, Wire::Sse, "a").await;
    reader.control("hello").await;
    start(&server, "/a", "", "Hi").await;
    let asked = service.asked().remove(0);
    assert_eq!((&asked["event"], &asked["channel"]), (&json!("prompt"), &json!("a")), "{asked}");
    assert_eq!(asked["model"], "m");
    assert!(!asked.to_string().contains("Hi"), "what is asked stays here: {asked}");
    let call = upstream.call().await;
    assert_eq!(
        call.body["messages"],
        json!([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}])
    );
    assert_eq!(call.body["max_tokens"], 7, "{}", call.body);
    call.answer(&["Yes"]).await;
    loop {
        let (event, data) = next(&mut reader).await;
        assert!(!data.to_string().contains("brief"), "{event}: {data}");
        if event == "end" {
            break;
        }
    }
    service.always(Reply::Json(json!({"allow": false, "reason": "not before noon"})));
    let refused = prompt(&server, "/a", "", "Hi").await;
    assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden"));
    assert!(refused.text().contains("not before noon"));
    service.always(Reply::HangUp);
    let unsure = prompt(&server, "/a", "", "Hi").await;
    assert_eq!((unsure.status, unsure.problem().as_str()), (503, "unavailable"));
    assert!(upstream.is_idle().await, "no refused prompt is asked");
}

#[tokio::test]
async fn the_service_learns_of_an_answer_that_nobody_reads() {
    let upstream = Upstream::start().await;
    let service = Backend::yes().await;
    let events = format!("[events]\nurl = \"{}\"\non = [\"run\"]\n", service.url());
    let server = guarded(&upstream, &events).await;
    let run = start(&server, "", &bearer(&prompter("alice", &["@*"])), "Hi").await;
    upstream.call().await.answer(&["Hel", "lo"]).await;
    let event = eventually("the event comes", async || {
        let calls = service.asked();
        calls.first().map(|call| call["events"][0].clone())
    })
    .await;
    assert_eq!((&event["event"], &event["run"]["run"]), (&json!("run"), &json!(run)), "{event}");
    let report = &event["run"];
    assert_eq!((&report["status"], content(report)), (&json!("complete"), "Hello"));
    assert_eq!((&report["user"], &report["channel"]), (&json!("alice"), &json!("@alice")));
    assert_eq!(report["usage"]["total_tokens"], 5);
}

/// An answer may end while the gateway goes down; one that does not ends as an error that says so.
async fn a_gateway_that_goes_down_ends_its_answers(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = server(&upstream, &format!("{OPEN}[shutdown]\ngrace = \"3s\"\n")).await;
    let mut readers = Vec::new();
    let mut calls = Vec::new();
    for channel in ["done", "cut"] {
        let mut reader = Reader::open(&server, wire, channel).await;
        reader.control("hello").await;
        start(&server, &format!("/{channel}"), "", "Hi").await;
        let mut call = upstream.call().await;
        call.begin().await;
        call.delta("So ").await;
        assert_eq!(next(&mut reader).await.0, "start");
        assert_eq!(next(&mut reader).await.0, "delta");
        readers.push(reader);
        calls.push(call);
    }
    let address = server.gateway.address().expect("one in clear");
    let down = tokio::spawn(server.gateway.shutdown());
    eventually("new prompts are refused", async || {
        let connection = tricast_tests::Connection::open(address).await;
        let head = "POST /llm/other HTTP/1.1\r\nHost: t\r\nContent-Length: 2";
        let answer = connection.request(head, b"Hi").await;
        (answer.status == 503 && answer.problem() == "draining").then_some(())
    })
    .await;
    let (cut, done) = (calls.remove(1), calls.remove(0));
    done.finish().await;
    let expected = [("complete", json!(null)), ("error", json!("draining"))];
    for (reader, (status, error)) in readers.iter_mut().zip(expected) {
        let (event, end) = next(reader).await;
        assert_eq!((event.as_str(), &end["status"]), ("end", &json!(status)), "{end}");
        assert_eq!((content(&end), &end["error"]["type"]), ("So ", &error), "{end}");
    }
    cut.closed().await;
    for reader in &mut readers {
        assert_eq!(reader.control("goodbye").await["reason"], "draining");
        assert!(matches!(reader.end().await, Event::End(_)));
    }
    drop(readers);
    assert!(down.await.expect("goes down"), "nothing was left");
}

each_wire!(a_gateway_that_goes_down_ends_its_answers);

/// The key of an upstream is in no byte that leaves the gateway, but for those to the upstream.
#[tokio::test]
async fn the_key_of_an_upstream_goes_nowhere_else() {
    const CANARY: &str = "canary-of-the-upstream-0123456789";
    let upstream = Upstream::start().await;
    let settings = upstream.settings(&format!("key = \"{CANARY}\"\n"));
    let limits = "[relay]\nprompts_per_address = 100\nmax_tokens = 50\n";
    let server = Server::with(&format!("{settings}{OPEN}{limits}")).await;
    let mut told = format!("{server:?}");
    let mut reader = Reader::open(&server, Wire::Chunked, "a").await;
    reader.control("hello").await;
    for answer in [
        format!(r#"{{"error":{{"message":"bad key {CANARY}","code":"sk-{CANARY}"}}}}"#),
        CANARY.to_owned(),
        format!("[\"{CANARY}\"]"),
    ] {
        for status in [400, 401, 404, 429, 500, 302] {
            let run = start(&server, "/a", "", "Hi").await;
            let call = upstream.call().await;
            assert_eq!(call.fields["authorization"], format!("Bearer {CANARY}"));
            call.refuse(status, &answer).await;
            let (text, end) = read_answer(&mut reader).await;
            assert_eq!((text.as_str(), &end["status"]), ("", &json!("error")), "{end}");
            told.push_str(&end.to_string());
            told.push_str(&server.get(&format!("/llm/runs/{run}")).await.text());
        }
    }
    // A service that says it in its answer, cut in two.
    start(&server, "/a", "", "Hi").await;
    let mut call = upstream.call().await;
    call.begin().await;
    call.delta(&CANARY[..10]).await;
    call.delta(&CANARY[10..]).await;
    call.closed().await;
    let (text, end) = read_answer(&mut reader).await;
    assert_eq!((&end["status"], &end["error"]["type"]), (&json!("error"), &json!("key")), "{end}");
    told.push_str(&text);
    told.push_str(&end["error"].to_string());
    for path in ["/metrics", "/connections"] {
        told.push_str(&server.admin(path).await.text());
    }
    told.push_str(&server.get("/history/b").await.text());
    assert!(!told.contains(CANARY), "{told}");
    assert!(!told.contains(&CANARY[10..]), "{told}");
}
