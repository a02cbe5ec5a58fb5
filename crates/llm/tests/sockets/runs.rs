//! Runs over real sockets: what is sent to an upstream, what its bytes become however they are cut,
//! and what is closed when.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tricast_core::{
    ChannelName, Data, Epoch, Hub, Identity, Limits, Log, MemoryEngine, Meters, ReadLimit, Start,
};
use tricast_llm::{
    Busy, By, Cancelled, ChatRequest, ErrorKind, Face, Head, Leave, Model, Prompt, RelayConfig,
    RunEnd, RunId, Runs, Starter, Status, UpstreamConfig,
};

use crate::stub::{PATIENCE, Play, Seen, Stub, chunk, chunked_head, head, refusal};

const KEY: &str = "canary-0123456789";

struct Gateway {
    hub: Arc<Hub>,
    runs: Runs,
}

fn channel() -> ChannelName {
    "chat".parse().expect("a channel")
}

fn upstream(url: &str) -> UpstreamConfig {
    let model = Model { name: "fast".to_owned(), model: "qwen-7b".to_owned() };
    UpstreamConfig {
        url: url.to_owned(),
        key: KEY.to_owned().into(),
        models: vec![model],
        headers: vec![("OpenAI-Organization".to_owned(), "org-7".to_owned().into())],
        ..UpstreamConfig::default()
    }
}

impl Gateway {
    fn new(upstream: UpstreamConfig) -> Self {
        let log = Arc::new(Log::new(Epoch::begin(0), Limits::default()));
        let engine = MemoryEngine::new(log.clone(), Duration::from_secs(60), 1000);
        let hub = Hub::new(log, Arc::new(engine), Meters::new(), 1000);
        let relay = RelayConfig { runs_per_user: 0, ..RelayConfig::default() };
        let runs = Runs::new(hub.clone(), relay, vec![upstream]).expect("an upstream");
        Self { hub, runs }
    }

    async fn start(&self, body: &Value) -> RunId {
        let request = ChatRequest::parse(body.to_string().as_bytes()).expect("a prompt");
        let identity = Identity::unverified(None, None);
        let prompt = Prompt {
            channel: channel(),
            request,
            starter: Starter { identity, is_backend: true },
            busy: Busy::Parallel,
            leave: Leave::Detach,
            orphan: Duration::ZERO,
            idempotency: None,
            face: Face::Native,
        };
        self.runs.start(prompt).await.expect("a run").run
    }

    async fn end(&self, run: RunId) -> Arc<RunEnd> {
        let end = tokio::time::timeout(PATIENCE, self.runs.wait_for_end(&run)).await;
        end.expect("it ends in time").expect("the run")
    }

    /// Prompts, and returns how the run ends.
    async fn run(&self) -> Arc<RunEnd> {
        let run = self.start(&prompt(1)).await;
        self.end(run).await
    }

    /// Returns the data of all messages in the channel, as one text.
    async fn messages(&self) -> String {
        let limit = ReadLimit { messages: 10_000, bytes: usize::MAX };
        let history = self.hub.history(&channel(), Start::Earliest, limit, None).await;
        let messages = history.expect("the history").messages;
        let data = messages.iter().map(|message| match &message.draft.data {
            Data::Json(json) => json.clone(),
            other => panic!("{other:?}"),
        });
        data.collect::<Vec<_>>().join("\n")
    }
}

fn prompt(choices: u32) -> Value {
    json!({"messages": [{"role": "user", "content": "hi"}], "n": choices})
}

fn event(delta: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n")
}

fn finish() -> String {
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_owned()
}

fn good() -> Vec<Play> {
    let body = [event("{\"content\":\"Hello\"}"), finish(), "data: [DONE]\n\n".to_owned()].concat();
    vec![Play::Write(head("text/event-stream")), Play::Write(body.into()), Play::Close]
}

fn message(end: &RunEnd) -> Value {
    let choices: Value = serde_json::from_str(end.choices.get()).expect("JSON");
    choices[0]["message"].clone()
}

fn text(end: &RunEnd) -> String {
    message(end)["content"].as_str().unwrap_or_default().to_owned()
}

fn kind(end: &RunEnd) -> Option<ErrorKind> {
    end.error.as_ref().map(|error| error.kind)
}

#[tokio::test]
async fn the_upstream_is_sent_the_prompt_and_the_key_and_nothing_of_the_client() {
    let mut stub = Stub::serve(vec![good()]).await;
    let gateway = Gateway::new(upstream(&stub.url));
    let mut body = prompt(1);
    body["model"] = "fast".into();
    body["temperature"] = 0.5.into();
    body["tricast"] = json!({"channel": "chat"});
    let run = gateway.start(&body).await;
    assert_eq!(text(&*gateway.end(run).await), "Hello");
    let Seen::Request(head, sent) = stub.next().await else { panic!("no request") };
    let (line, fields) = head.split_once("\r\n").expect("a head");
    assert_eq!(line, "POST /v1/chat/completions HTTP/1.1");
    let mut fields: Vec<_> = fields.lines().map(|line| line.to_ascii_lowercase()).collect();
    fields.retain(|line| !line.starts_with("host:") && !line.starts_with("content-length:"));
    fields.sort();
    let agent = format!("user-agent: tricast/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "accept-encoding: identity",
        "accept: text/event-stream",
        &format!("authorization: bearer {KEY}"),
        "content-type: application/json",
        "openai-organization: org-7",
        &agent,
    ];
    assert_eq!(fields, expected);
    let expected = json!({
        "messages": [{"role": "user", "content": "hi"}], "n": 1, "model": "qwen-7b",
        "temperature": 0.5, "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(serde_json::from_str::<Value>(&sent).expect("JSON"), expected);
}

/// The same answer, however its bytes are spelled and cut.
#[tokio::test]
async fn an_answer_is_the_same_however_its_bytes_come() {
    let events =
        [event("{\"content\":\"Grüße \"}"), event("{\"content\":\"😀!\"}"), finish()].concat();
    let whole = json!({"choices": [{
        "index": 0, "finish_reason": "stop", "message": {"content": "Grüße 😀!"},
    }]});
    let middle = events.find('😀').expect("a face") + 2;
    let (one, two) = events.as_bytes().split_at(middle);
    let stream = || Play::Write(head("text/event-stream"));
    let write = |text: &str| Play::Write(text.as_bytes().to_vec());
    let halves = event("{\"content\":\"Grüße \\ud83d\"}") + &event("{\"content\":\"\\ude00!\"}");
    for (seen, script) in [
        ("in one piece", vec![stream(), write(&events), Play::Close]),
        ("one byte at a time", vec![stream(), Play::Dribble(events.clone().into()), Play::Close]),
        (
            "cut inside a character",
            vec![
                Play::Write(chunked_head()),
                Play::Write(chunk(one)),
                Play::Write(chunk(two)),
                Play::Write(chunk(b"")),
            ],
        ),
        ("with CRLF", vec![stream(), write(&events.replace('\n', "\r\n")), Play::Close]),
        ("with CR", vec![stream(), write(&events.replace('\n', "\r")), Play::Close]),
        ("without spaces", vec![stream(), write(&events.replace("data: ", "data:")), Play::Close]),
        ("without its last blank line", vec![stream(), write(events.trim_end()), Play::Close]),
        ("with halves of a pair", vec![stream(), write(&(halves + &finish())), Play::Close]),
        (
            "as a document",
            vec![
                Play::Write(head("application/json; charset=utf-8")),
                write(&whole.to_string()),
                Play::Close,
            ],
        ),
        (
            "as a document on lines",
            vec![
                Play::Write(head("application/json")),
                write(&serde_json::to_string_pretty(&whole).expect("JSON")),
                Play::Close,
            ],
        ),
    ] {
        let stub = Stub::serve(vec![script]).await;
        let gateway = Gateway::new(upstream(&stub.url));
        let end = gateway.run().await;
        assert_eq!((end.status, text(&end).as_str()), (Status::Complete, "Grüße 😀!"), "{seen}");
        assert!(!gateway.messages().await.contains('\r'), "{seen}");
    }
}

/// Each end of a connection that is no end of the answer.
#[tokio::test]
async fn what_breaks_off_is_no_answer() {
    let stream = || Play::Write(head("text/event-stream"));
    let words = || event("{\"content\":\"Hel\"}").into_bytes();
    let whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for (seen, script, expected, told) in [
        ("the end", vec![stream(), Play::Write(words()), Play::Close], ErrorKind::Truncated, "Hel"),
        (
            "silence",
            vec![stream(), Play::Write(words()), Play::AwaitClose],
            ErrorKind::Stalled,
            "Hel",
        ),
        (
            "a body without its last chunk",
            vec![Play::Write(chunked_head()), Play::Write(chunk(&words())), Play::Close],
            ErrorKind::Cut,
            "Hel",
        ),
        (
            "a chunk that is cut",
            vec![
                Play::Write(chunked_head()),
                Play::Write(chunk(&words())),
                Play::Write(b"ff\r\ndata: {".to_vec()),
                Play::Close,
            ],
            ErrorKind::Cut,
            "Hel",
        ),
        (
            "a document that is cut",
            vec![Play::Write(whole.to_vec()), Play::Close],
            ErrorKind::Cut,
            "",
        ),
        (
            "a redirect",
            vec![Play::Write(refusal("307 x", "location: /v1\r\n", ""))],
            ErrorKind::Redirect,
            "",
        ),
        (
            "no key",
            vec![Play::Write(refusal("401 x", "", &format!("{{\"error\":\"bad key {KEY}\"}}")))],
            ErrorKind::Misconfigured,
            "",
        ),
    ] {
        let stub = Stub::serve(vec![script]).await;
        let config =
            UpstreamConfig { retries: 0, idle: Duration::from_millis(400), ..upstream(&stub.url) };
        let gateway = Gateway::new(config);
        let end = gateway.run().await;
        assert_eq!((kind(&end), text(&end).as_str()), (Some(expected), told), "{seen}");
        let messages = gateway.messages().await;
        assert!(!messages.contains(KEY) && !messages.contains("127.0.0.1"), "{seen}: {messages}");
    }
}

#[tokio::test]
async fn a_reset_after_content_ends_the_run_and_one_before_it_does_not() {
    let before = vec![Play::Write(head("text/event-stream")), Play::Reset];
    let in_head = vec![Play::Write(b"HTTP/1.1 200 O".to_vec()), Play::Reset];
    let stub = Stub::serve(vec![vec![Play::Reset], in_head, before, good()]).await;
    let gateway = Gateway::new(UpstreamConfig { retries: 3, ..upstream(&stub.url) });
    let end = gateway.run().await;
    assert_eq!((end.status, text(&end), stub.left()), (Status::Complete, "Hello".into(), 0));
}

#[tokio::test]
async fn what_an_upstream_refuses_keeps_its_status_and_loses_its_secrets() {
    let body = format!("{{\"error\":{{\"message\":\"no {KEY}\",\"code\":\"x\"}}}}");
    for (status, expected) in [("422 x", 422), ("404 x", 404), ("429 x", 429), ("529 x", 529)] {
        let stub = Stub::serve(vec![vec![Play::Write(refusal(status, "", &body))]]).await;
        let gateway = Gateway::new(UpstreamConfig { retries: 0, ..upstream(&stub.url) });
        let run = gateway.start(&prompt(1)).await;
        let Some(Head::Ended(end)) = gateway.runs.head(&run).await else { panic!("no end") };
        let error = end.error.as_ref().expect("an error");
        assert_eq!((error.status, &*error.message), (Some(expected), "no (hidden)"));
        assert_eq!(error.code.as_deref(), Some("x"));
    }
}

#[tokio::test]
async fn a_refusal_is_retried_when_it_says() {
    let wait = Play::Write(refusal("503 x", "retry-after: 1\r\nconnection: close\r\n", ""));
    let stub = Stub::serve(vec![vec![wait, Play::Close], good()]).await;
    let gateway = Gateway::new(upstream(&stub.url));
    let end = gateway.run().await;
    assert_eq!((end.status, stub.left()), (Status::Complete, 0));
    assert!(end.all >= Duration::from_secs(1), "{end:?}");
}

/// The call is closed, so that the model stops, and what was said stays.
#[tokio::test]
async fn a_cancelled_call_is_closed() {
    let silent = vec![Play::AwaitClose];
    let headed = vec![Play::Write(head("text/event-stream")), Play::AwaitClose];
    let words = Play::Write(chunk(event("{\"content\":\"Hel\"}").as_bytes()));
    let speaking = vec![Play::Write(chunked_head()), words, Play::AwaitClose];
    for (script, phase) in [(silent, "connecting"), (headed, "waiting"), (speaking, "streaming")] {
        let mut stub = Stub::serve(vec![script]).await;
        let gateway = Gateway::new(upstream(&stub.url));
        let run = gateway.start(&prompt(1)).await;
        assert!(matches!(stub.next().await, Seen::Request(..)));
        let status = || gateway.runs.report(&run).expect("the run").status;
        while status() != phase {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let cancelled = gateway.runs.cancel(&run, By::User).await;
        let Some(Cancelled::Ended(end)) = cancelled else { panic!("{cancelled:?}") };
        assert_eq!((end.status, end.by), (Status::Cancelled, Some(By::User)), "{phase}");
        assert_eq!(text(&end), if phase == "streaming" { "Hel" } else { "" });
        assert_eq!(stub.next().await, Seen::Closed, "{phase}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_complete_answer_and_never_after_a_cancel() {
    let body = [event("{\"content\":\"Hello\"}"), finish(), "data: [DONE]\n\n".to_owned()].concat();
    let answer = [chunked_head(), chunk(body.as_bytes()), chunk(b"")].concat();
    let twice = vec![Play::Write(answer.clone()), Play::NextRequest, Play::Write(answer)];
    let mut stub = Stub::serve(vec![twice]).await;
    let gateway = Gateway::new(upstream(&stub.url));
    for _ in 0..2 {
        assert_eq!(text(&*gateway.run().await), "Hello");
        assert!(matches!(stub.next().await, Seen::Request(..)));
    }
    assert_eq!(stub.left(), 0);
}

#[tokio::test]
async fn answers_with_several_choices_and_calls_of_tools_keep_them_apart() {
    let data = |choices: Value| format!("data: {}\n\n", json!({ "choices": choices }));
    let call =
        |index: u32, arguments: &str| json!({"index": index, "function": {"arguments": arguments}});
    let calls = |calls: Value| json!({"index": 1, "delta": {"tool_calls": calls}});
    let done = |index: u32| json!({"index": index, "delta": {}, "finish_reason": "stop"});
    let body = [
        data(json!([{"index": 0, "delta": {"content": "a"}}])),
        data(json!([calls(json!([{"index": 0, "id": "x", "function": {"name": "f"}}]))])),
        data(json!([calls(json!([call(1, "[1"), call(0, "{\"a\"")]))])),
        data(json!([{"index": 0, "delta": {"content": "b"}}, calls(json!([call(0, ":1}")]))])),
        data(json!([calls(json!([call(1, "]")])), done(1)])),
        data(json!([done(0)])),
    ]
    .concat();
    let script =
        vec![Play::Write(head("text/event-stream")), Play::Dribble(body.into()), Play::Close];
    let stub = Stub::serve(vec![script]).await;
    let gateway = Gateway::new(upstream(&stub.url));
    let run = gateway.start(&prompt(2)).await;
    let end = gateway.end(run).await;
    let choices: Value = serde_json::from_str(end.choices.get()).expect("JSON");
    assert_eq!((end.status, &choices[0]["message"]["content"]), (Status::Complete, &json!("ab")));
    let calls = &choices[1]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"], json!({"name": "f", "arguments": "{\"a\":1}"}));
    assert_eq!(calls[1]["function"]["arguments"], "[1]");
}
