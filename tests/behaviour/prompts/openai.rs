//! The interface of OpenAI, as its SDKs use it: chunks, documents, errors, and resuming.

use serde_json::json;
use tricast_tests::{Connection, Reader, Upstream, Wire, each_delivery};

use super::*;

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}"#;

/// Posts a chat completion; `fields` are further lines of the head.
async fn post(server: &Server, fields: &str, body: &str) -> Connection {
    let mut connection = server.connect().await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n\
         Content-Length: {}{fields}\r\n\r\n{body}",
        body.len()
    );
    connection.send(head).await;
    connection
}

async fn answer(server: &Server, fields: &str, body: &str) -> Answer {
    let mut connection = post(server, fields, body).await;
    let head = connection.head().await;
    let length = head.content_length().unwrap_or_else(|| panic!("{head:?}"));
    let body = connection.take(length).await;
    Answer { status: head.status, fields: head.fields, body }
}

/// Reads the events of a stream until it ends: what stands after `data: `, with the id.
async fn events(connection: &mut Connection) -> Vec<(String, Option<String>)> {
    let mut text = String::new();
    while let Some(chunk) = connection.chunk().await {
        text.push_str(&String::from_utf8(chunk).expect("text"));
    }
    text.split("\n\n").filter_map(event).collect()
}

fn event(block: &str) -> Option<(String, Option<String>)> {
    let mut found = (None, None);
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("data", data)) => found.0 = Some(data.to_owned()),
            Some(("id", id)) => found.1 = Some(id.to_owned()),
            _ => assert_eq!(line, ":", "nothing else is in {block:?}"),
        }
    }
    Some((found.0?, found.1))
}

fn content_of(events: &[(String, Option<String>)]) -> String {
    let chunks = events.iter().filter_map(|(data, _)| serde_json::from_str::<Value>(data).ok());
    chunks
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

async fn a_stream_is_that_of_openai_and_the_channel_has_it_too() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let mut reader = Reader::open(&server, Wire::Ws, "a").await;
    reader.control("hello").await;
    // SDKs always send a bearer; without any keys nothing hangs on it.
    let fields = "\r\nAuthorization: Bearer sk-of-an-sdk\r\nTricast-Channel: a";
    let body = CHAT.replace("\"stream\":true", "\"stream\":true,\"x\":1.0");
    let mut connection = post(&server, fields, &body).await;
    let mut call = upstream.call().await;
    assert!(!call.fields.contains_key("authorization"), "{:?}", call.fields);
    assert!(call.body.to_string().contains("\"x\":1.0"), "{}", call.body);
    call.begin().await;
    let head = connection.head().await;
    assert_eq!(
        (head.status, head.fields["content-type"].as_str()),
        (200, "text/event-stream; charset=utf-8")
    );
    assert_eq!(head.fields["tricast-channel"], "a");
    call.delta("Hel").await;
    call.delta("lo").await;
    call.finish().await;
    let events = events(&mut connection).await;
    assert_eq!(content_of(&events), "Hello");
    assert_eq!(events.last().expect("some").0, "[DONE]");
    let last = &events[events.len() - 2].0;
    assert!(last.contains("\"finish_reason\":\"stop\"") && !last.contains("usage"), "{last}");
    let (text, end) = read_answer(&mut reader).await;
    assert_eq!((text.as_str(), content(&end)), ("Hello", "Hello"));
    let report = server.get(&format!("/v1/chat/completions/{}", head.fields["tricast-run"])).await;
    assert_eq!(report.json()["choices"][0]["message"]["content"], "Hello", "{report:?}");
}

async fn a_document_is_that_of_openai() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let body = CHAT.replace("true", "false");
    let (answer, ()) = tokio::join!(answer(&server, "", &body), async {
        upstream.call().await.answer(&["Hel", "lo"]).await;
    });
    let document = answer.json();
    assert_eq!(
        (answer.status, &document["object"]),
        (200, &json!("chat.completion")),
        "{document}"
    );
    assert_eq!(content(&document), "Hello");
    assert_eq!(document["usage"]["total_tokens"], 5);
    assert!(answer.fields["tricast-channel"].starts_with("~llm:"), "a channel of its own");
    let channels = server.get("/channels").await.json();
    assert_eq!(channels["channels"], json!([]), "which nobody is shown");
}

/// Whatever ends an answer that is not complete, the client is told, and never `[DONE]`.
async fn an_end_that_is_no_end_is_an_error() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    for (status, expected) in
        [(400, 400), (404, 404), (429, 429), (401, 502), (500, 502), (302, 502)]
    {
        let upstreams = r#"{"error":{"message":"no such thing","code":"c"}}"#;
        for body in [CHAT.to_owned(), CHAT.replace("true", "false")] {
            let (answer, ()) = tokio::join!(answer(&server, "", &body), async {
                upstream.call().await.refuse(status, upstreams).await;
            });
            assert_eq!(answer.status, expected, "{status}: {answer:?}");
            let error = &answer.json()["error"];
            assert!(error["message"].as_str().is_some_and(|text| text.len() > 5), "{error}");
            let should = if expected == 429 { "true" } else { "false" };
            assert_eq!(answer.fields["x-should-retry"], should, "{status}");
        }
    }
    let mut connection = post(&server, "", CHAT).await;
    let mut call = upstream.call().await;
    call.begin().await;
    call.delta("Half").await;
    assert_eq!(connection.head().await.status, 200);
    call.cut();
    let events = events(&mut connection).await;
    assert_eq!(content_of(&events), "Half");
    let last: Value = serde_json::from_str(&events.last().expect("some").0).expect("JSON");
    assert_eq!(last["error"]["type"], "cut", "{last}");
}

/// A client that was cut asks for the rest with the id of its last event, and gets each word once.
async fn a_stream_resumes_where_it_was_cut() {
    let upstream = Upstream::start().await;
    let server = server(&upstream, OPEN).await;
    let mut connection = post(&server, "", CHAT).await;
    let mut call = upstream.call().await;
    call.begin().await;
    let head = connection.head().await;
    let run = head.fields["tricast-run"].clone();
    let words = ["Eins ", "zwei ", "drei ", "vier ", "fünf"];
    let mut seen = String::new();
    for word in &words[..3] {
        call.delta(word).await;
        while !seen.contains(word) {
            let chunk = connection.chunk().await.expect("it goes on");
            seen.push_str(&String::from_utf8(chunk).expect("text"));
        }
    }
    drop(connection);
    call.delta(words[3]).await;
    let all: Vec<_> = seen.split("\n\n").filter_map(event).collect();
    assert_eq!(content_of(&all), words[..3].concat());
    let mut resumed = Vec::new();
    for (at, (_, id)) in all.iter().enumerate() {
        let mut connection = server.connect().await;
        let id = id.clone().expect("each chunk has one");
        let head = format!(
            "GET /v1/chat/completions/{run}?stream=true HTTP/1.1\r\nHost: t\r\n\
             Last-Event-ID: {id}\r\n\r\n"
        );
        connection.send(head).await;
        assert_eq!(connection.head().await.status, 200);
        resumed.push((content_of(&all[..=at]), connection));
    }
    call.delta(words[4]).await;
    call.finish().await;
    for (had, mut connection) in resumed {
        let rest = events(&mut connection).await;
        assert_eq!(had + &content_of(&rest), words.concat());
        assert_eq!(rest.last().expect("some").0, "[DONE]");
    }
    // After its end, too.
    let (_, id) = &all[0];
    let head = format!(
        "GET /v1/chat/completions/{run}?stream=true&last_event_id={} HTTP/1.1\r\nHost: t",
        id.as_deref().expect("an id")
    );
    let late = server.request(&head, b"").await.text();
    let late: Vec<_> = late.split("\n\n").filter_map(event).collect();
    assert_eq!(content_of(&all[..1]) + &content_of(&late), words.concat());
}

each_delivery!(
    a_stream_is_that_of_openai_and_the_channel_has_it_too,
    a_document_is_that_of_openai,
    an_end_that_is_no_end_is_an_error,
    a_stream_resumes_where_it_was_cut,
);

#[tokio::test]
async fn refusals_have_openais_form_and_their_status() {
    let upstream = Upstream::start().await;
    let guarded = guarded(&upstream, "").await;
    let alice = bearer(&prompter("alice", &["@*"]));
    for (fields, body, status, kind) in [
        ("", CHAT, 401, "authentication_error"),
        ("\r\nAuthorization: Bearer sk-x", CHAT, 401, "authentication_error"),
        (&*format!("{alice}\r\nTricast-Channel: b"), CHAT, 403, "permission_error"),
        (&alice, &CHAT.replace("\"m\"", "\"gpt-9\""), 404, "not_found_error"),
        (&alice, "{}", 400, "invalid_request_error"),
    ] {
        let answer = answer(&guarded, fields, body).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, error["type"].as_str()), (status, Some(kind)), "{answer:?}");
        assert_eq!(answer.fields["content-type"], "application/json");
        assert_eq!(answer.fields["x-should-retry"], "false");
    }
    assert!(upstream.is_idle().await);
    let list = |fields: &str| {
        let head = format!("GET /v1/models?api-version=7 HTTP/1.1\r\nHost: t{fields}");
        let server = &guarded;
        async move { server.request(&head, b"").await }
    };
    let models = list(&alice).await.json();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("m")));
    let off = server(&upstream, &format!("{OPEN}[relay]\nopenai = false\n")).await;
    assert_eq!(off.get("/v1/models").await.status, 404);
    assert_eq!(Server::start().await.get("/v1/models").await.status, 404, "no upstream");
}

/// The channel of one answer is for the client that has asked.
#[tokio::test]
async fn an_answer_without_a_channel_is_for_who_has_asked() {
    let upstream = Upstream::start().await;
    let server = guarded(&upstream, "[[namespace]]\npattern = \"llm\"\n").await;
    let body = CHAT.replace("true", "false");
    let backend = bearer(KEY);
    let (answer, ()) = tokio::join!(answer(&server, &backend, &body), async {
        upstream.call().await.answer(&["Secret"]).await;
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    let run = &answer.fields["tricast-run"];
    for path in [format!("/v1/chat/completions/{run}"), format!("/llm/runs/{run}")] {
        let get = |fields: String| {
            let head = format!("GET {path} HTTP/1.1\r\nHost: t{fields}");
            let server = &server;
            async move { server.request(&head, b"").await }
        };
        assert_eq!(get(bearer(KEY)).await.status, 200, "{path}");
        for other in [String::new(), bearer(&prompter("alice", &["**"]))] {
            let answer = get(other).await;
            assert_eq!(answer.status, 404, "{answer:?}");
            assert!(!answer.text().contains("Secret"));
        }
    }
}
