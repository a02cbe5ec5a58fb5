//! What comes of a prompt, on each wire.

use serde_json::json;
use tricast_tests::{Connection, Reader, Upstream, Wire, each_wire};

use super::*;

async fn an_answer_comes_whole_on_every_wire(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let mut reader = Reader::open(&server, wire, "a").await;
    let mut other = Reader::open(&server, Wire::Chunked, "a").await;
    for reader in [&mut reader, &mut other] {
        reader.control("hello").await;
    }
    let run = start(&server, "/a", "", "Say hello").await;
    let call = upstream.call().await;
    assert_eq!(call.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(call.body["messages"], json!([{"role": "user", "content": "Say hello"}]));
    assert_eq!((&call.body["model"], &call.body["stream"]), (&json!("m"), &json!(true)));
    call.answer(&["Hel", "lo 😀", "\n\"world\""]).await;
    let mut documents = Vec::new();
    loop {
        let document = reader.document().await;
        assert_eq!(document, other.document().await, "the wires agree");
        let is_end = document["event"] == "tricast.llm.end";
        documents.push(document);
        if is_end {
            break;
        }
    }
    let whole = "Hello 😀\n\"world\"";
    let deltas = documents.iter().filter_map(|document| {
        assert_eq!(document["data"]["run"], run.as_str(), "{document}");
        document["data"]["choices"][0]["delta"]["content"].as_str()
    });
    assert_eq!(deltas.collect::<String>(), whole);
    assert_eq!(documents[0]["event"], "tricast.llm.start");
    assert_eq!(documents[0]["data"]["model"], "m");
    assert!(documents[0]["data"].get("user").is_none(), "presence is off");
    let end = &documents.last().expect("some")["data"];
    assert_eq!((&end["status"], content(end)), (&json!("complete"), whole));
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!(end["usage"]["total_tokens"], 5);
    let report = server.get(&format!("/llm/runs/{run}")).await.json();
    assert_eq!((&report["status"], content(&report)), (&json!("complete"), whole));
    let ended = "tricast_llm_runs_total{upstream=\"main\",outcome=\"complete\",face=\"native\"}";
    assert_eq!(server.metric(ended).await, 1.0);
    assert_eq!(server.metric("tricast_llm_runs_active").await, 0.0);
}

async fn every_device_of_a_user_hears_a_prompt_without_a_channel(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = guarded(&upstream, "").await;
    let (alice, bob) = (prompter("alice", &["@*"]), prompter("bob", &["@*"]));
    let open = |token: &str| {
        let target = format!("lobby?token={token}");
        let server = &server;
        async move {
            let mut reader = Reader::open(server, wire, &target).await;
            reader.control("hello").await;
            reader
        }
    };
    let (mut first, mut second, mut stranger) =
        (open(&alice).await, open(&alice).await, open(&bob).await);
    let answer = prompt(&server, "", &bearer(&alice), "Hello?").await;
    assert_eq!((answer.status, &answer.json()["channel"]), (202, &json!("@alice")));
    upstream.call().await.answer(&["Here ", "I am"]).await;
    for device in [&mut first, &mut second] {
        let (text, end) = read_answer(device).await;
        assert_eq!((text.as_str(), content(&end)), ("Here I am", "Here I am"));
    }
    server
        .request(
            &format!("POST /publish/lobby HTTP/1.1\r\nHost: t\r\nContent-Length: 2{}", bearer(KEY)),
            b"no",
        )
        .await;
    start(&server, "", &bearer(&bob), "And me?").await;
    upstream.call().await.answer(&["You"]).await;
    assert_eq!(read_answer(&mut stranger).await.0, "You", "the first that bob hears is his own");
}

async fn a_command_prompts_and_a_cut_is_told(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let mut reader = Reader::open(&server, wire, "a").await;
    reader.control("hello").await;
    let mut asker = Reader::open(&server, Wire::Ws, "a").await;
    asker.control("hello").await;
    asker.send(r#"{"type":"prompt","text":"Hi","model":"m","ref":1}"#).await;
    let (mut run, mut started) = (None, None);
    while run.is_none() || started.is_none() {
        let document = asker.document().await;
        match document["event"].as_str() {
            Some("tricast.ack") => {
                assert_eq!((&document["ref"], &document["channel"]), (&json!(1), &json!("a")));
                run = Some(document["run"].clone());
            }
            _ => started = Some(document["data"]["run"].clone()),
        }
    }
    assert_eq!(run, started);
    let mut call = upstream.call().await;
    call.begin().await;
    call.delta("Half an ans").await;
    assert_eq!(next(&mut reader).await.0, "start");
    assert_eq!(next(&mut reader).await.0, "delta");
    call.cut();
    let (event, end) = next(&mut reader).await;
    assert_eq!((event.as_str(), &end["status"]), ("end", &json!("error")), "{end}");
    assert_eq!((&end["error"]["type"], content(&end)), (&json!("cut"), "Half an ans"), "{end}");
    assert_eq!(end["error"]["retryable"], true);
}

each_wire!(
    an_answer_comes_whole_on_every_wire,
    every_device_of_a_user_hears_a_prompt_without_a_channel,
    a_command_prompts_and_a_cut_is_told,
);

async fn a_prompt_can_be_answered_by_its_stream() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    server.publish("a", "before").await;
    for (accept, wire) in [("text/event-stream", "sse"), ("application/x-ndjson", "chunked")] {
        let mut connection = Connection::open(server.gateway.address().expect("one")).await;
        let head = format!(
            "POST /llm/a HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nAccept: {accept}\r\n\r\nHi"
        );
        connection.send(head).await;
        let head = connection.head().await;
        assert_eq!(head.status, 200, "{head:?}");
        assert!(head.fields["content-type"].starts_with(accept), "{head:?}");
        assert_eq!(head.fields["tricast-channel"], "a");
        let run = head.fields["tricast-run"].clone();
        upstream.call().await.answer(&["Yes"]).await;
        let mut text = String::new();
        while !text.contains("tricast.llm.end") {
            let chunk = connection.chunk().await.expect("the stream stays open");
            text.push_str(&String::from_utf8(chunk).expect("text"));
        }
        assert!(text.contains("tricast.hello") && !text.contains("before"), "{wire}: {text}");
        assert!(text.contains("tricast.llm.start") && text.contains(&run), "{wire}: {text}");
    }
}

/// The text alone, for curl: a body that breaks off is not taken for the end.
async fn a_prompt_can_be_answered_by_its_text() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    for is_cut in [false, true] {
        let mut connection = server.connect().await;
        let head = "POST /llm/a?format=text HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nHi";
        connection.send(head).await;
        let mut call = upstream.call().await;
        call.begin().await;
        let head = connection.head().await;
        assert_eq!(head.fields["content-type"], "text/plain; charset=utf-8");
        call.delta("Two\n").await;
        call.delta("lines").await;
        let mut text = String::new();
        while text != "Two\nlines" {
            let chunk = connection.chunk().await.expect("it goes on");
            text.push_str(&String::from_utf8(chunk).expect("text"));
        }
        match is_cut {
            true => call.cut(),
            false => call.finish().await,
        }
        let end = connection.try_chunk().await;
        assert_eq!(end.is_err(), is_cut, "{end:?}");
    }
}

/// A prompt that is repeated with its key is one run, and another prompt with the key is refused.
async fn a_repeated_prompt_is_asked_once() {
    let upstream = Upstream::start().await;
    let server = guarded(&upstream, "").await;
    let (alice, bob) = (prompter("alice", &["a"]), prompter("bob", &["a"]));
    let fields = |token: &str, key: &str| format!("{}\r\nIdempotency-Key: {key}", bearer(token));
    let first = start(&server, "/a", &fields(&alice, "k1"), "Hi").await;
    let call = upstream.call().await;
    assert_eq!(start(&server, "/a", &fields(&alice, "k1"), "Hi").await, first);
    call.answer(&["Yes"]).await;
    tricast_tests::eventually("it has ended", async || {
        let head = format!("GET /llm/runs/{first} HTTP/1.1\r\nHost: t{}", bearer(&alice));
        let report = server.request(&head, b"").await.json();
        (report["status"] == "complete").then_some(())
    })
    .await;
    assert_eq!(start(&server, "/a", &fields(&alice, "k1"), "Hi").await, first, "after its end");
    for (target, body) in [("/a", "Ho"), ("/a?model=m", "Hi")] {
        let other = prompt(&server, target, &fields(&alice, "k1"), body).await;
        let problem = (other.status, other.problem());
        assert_eq!(problem, (422, "prompt-mismatch".to_owned()), "{target} {body}");
    }
    let second = start(&server, "/a", &fields(&bob, "k1"), "Hi").await;
    assert_ne!(second, first, "the key of somebody else");
    upstream.call().await.answer(&["Yes"]).await;
    assert!(upstream.is_idle().await);
    let nobody = Server::with(&format!("{}{OPEN}", upstream.settings(""))).await;
    let anonymous = prompt(&nobody, "/a", "\r\nIdempotency-Key: k1", "Hi").await;
    assert_eq!((anonymous.status, anonymous.problem().as_str()), (400, "no-identity"));
}

tricast_tests::each_delivery!(
    a_prompt_can_be_answered_by_its_stream,
    a_prompt_can_be_answered_by_its_text,
    a_repeated_prompt_is_asked_once,
);

/// What the settings of `make run` are: an answer without any key.
#[tokio::test]
async fn the_demo_answers_without_a_key() {
    let demo = "[[llm]]\nname = \"demo\"\nurl = \"demo:\"\n[access]\nprompt = \"auto\"\n";
    let server = Server::with(demo).await;
    let mut reader = Reader::open(&server, Wire::Sse, "a").await;
    reader.control("hello").await;
    start(&server, "/a", "", "Hi").await;
    let (text, end) = read_answer(&mut reader).await;
    assert_eq!((&end["status"], content(&end)), (&json!("complete"), text.as_str()));
    assert!(text.len() > 100, "{text}");
    let other = prompt(&server, "/a?model=gpt-x", "", "Hi").await;
    assert_eq!((other.status, other.problem().as_str()), (404, "unknown-model"));
}
