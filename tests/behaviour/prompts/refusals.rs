//! Who may prompt, and what is wrong with a prompt that is refused.

use serde_json::json;
use tricast_tests::{Reader, Upstream, Wire, each_wire, token_of};

use super::*;

async fn refused(server: &Server, target: &str, fields: &str, body: &str) -> (u16, String) {
    let answer = prompt(server, target, fields, body).await;
    // Also where the problem is one of other requests.
    let should_retry = answer.fields.get("x-should-retry").map(String::as_str);
    let expected = if answer.fields.contains_key("retry-after") { "true" } else { "false" };
    assert_eq!(should_retry, Some(expected), "{answer:?}");
    (answer.status, answer.problem())
}

fn problem(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

#[tokio::test]
async fn nobody_may_prompt_unless_somebody_said_so() {
    let upstream = Upstream::start().await;
    let silent = server(&upstream, "").await;
    assert_eq!(refused(&silent, "/a", "", "Hi").await, problem(403, "forbidden"));
    let closed = "[[namespace]]\npattern = \"closed\"\nprompt = \"nobody\"\n\
                  [[namespace]]\npattern = \"desk\"\nprompt = \"backend\"\n\
                  [[namespace]]\npattern = \"deaf\"\nsubscribe = \"nobody\"\n";
    let server = guarded(&upstream, closed).await;
    let of = |claims| bearer(&token_of(claims, 60));
    let (missing, forbidden) = (problem(401, "token-missing"), problem(403, "forbidden"));
    let alice = bearer(&prompter("alice", &["a", "closed", "desk", "deaf", "@alice", "@bob"]));
    let deaf = of(json!({"sub": "alice", "prompt": ["a"]}));
    let reader = of(json!({"sub": "alice", "subscribe": ["a", "@alice"]}));
    for (target, fields, expected) in [
        ("/a", "", &missing),
        ("/b", &alice, &forbidden),
        ("/closed", &alice, &forbidden),
        ("/desk", &alice, &forbidden),
        ("/deaf", &alice, &forbidden),
        ("/@bob", &alice, &forbidden),
        ("/~a", &alice, &forbidden),
        ("/a", &deaf, &forbidden),
        ("/a", &reader, &forbidden),
        ("", &reader, &forbidden),
        ("/closed", &bearer(KEY), &forbidden),
    ] {
        let fields = fields as &str;
        assert_eq!(&refused(&server, target, fields, "Hi").await, expected, "{target} {fields}");
    }
    assert!(upstream.is_idle().await, "no refused prompt is asked");
    for (target, fields) in [("/a", &alice), ("", &alice), ("/desk", &bearer(KEY))] {
        start(&server, target, fields, "Hi").await;
        upstream.call().await.answer(&["Yes"]).await;
    }
}

async fn a_command_needs_the_same_rights(wire: Wire) {
    let upstream = Upstream::start().await;
    let server = guarded(&upstream, "").await;
    let (alice, bob) = (prompter("alice", &["a"]), prompter("bob", &[]));
    let mut reader = Reader::open(&server, wire, &format!("a?token={bob}")).await;
    reader.control("hello").await;
    let mut socket = Reader::open(&server, Wire::Ws, &format!("a?token={bob}")).await;
    socket.control("hello").await;
    socket.send(r#"{"type":"prompt","text":"Hi"}"#).await;
    assert_eq!(socket.control("error").await["type"], "urn:tricast:forbidden");
    let run = start(&server, "/a", &bearer(&alice), "Hi").await;
    let mut call = upstream.call().await;
    call.begin().await;
    assert_eq!(next(&mut socket).await.0, "start");
    socket.send(&format!(r#"{{"type":"cancel","run":"{run}"}}"#)).await;
    assert_eq!(socket.control("error").await["type"], "urn:tricast:forbidden");
    let unknown = format!("r{}", "x".repeat(22));
    socket.send(&format!(r#"{{"type":"cancel","run":"{unknown}"}}"#)).await;
    assert_eq!(socket.control("error").await["type"], "urn:tricast:unknown-run");
    call.delta("Yes").await;
    call.finish().await;
    assert_eq!(read_answer(&mut reader).await.0, "Yes");
}

each_wire!(a_command_needs_the_same_rights);

#[tokio::test]
async fn models_are_those_that_all_lists_name() {
    let upstream = Upstream::start().await;
    let models = "models = [\"m\", { name = \"fast\", model = \"qwen-7b\" }]";
    let settings = upstream.settings("").replace("models = [\"m\"]", models);
    let namespace = "[[namespace]]\npattern = \"slow\"\nmodels = [\"m\"]\n";
    let tokens = format!("[access]\nprompt = \"token\"\n[tokens]\nsecret = \"{SECRET}\"\n");
    let server = Server::with(&format!("{settings}{namespace}{tokens}")).await;
    let claims = json!({"sub": "alice", "subscribe": ["**"], "prompt": ["**"], "models": ["fast"]});
    let (narrow, wide) = (bearer(&token_of(claims, 60)), bearer(&prompter("bob", &["**"])));
    let asks = |model: &str| json!({"model": model, "messages": [{"role": "user"}]}).to_string();
    let unknown = problem(404, "unknown-model");
    assert_eq!(refused(&server, "/a", &narrow, &asks("m")).await, unknown);
    assert_eq!(refused(&server, "/slow", &wide, &asks("fast")).await, unknown);
    assert_eq!(refused(&server, "/slow", &narrow, "Hi").await, unknown, "no model is left");
    assert_eq!(refused(&server, "/a", &wide, &asks("gpt-y")).await, unknown);
    start(&server, "/a", &narrow, "Hi").await;
    let call = upstream.call().await;
    assert_eq!(call.body["model"], "qwen-7b", "the first that the token allows");
    call.answer(&["Yes"]).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_prompt_is_named() {
    let upstream = Upstream::start().await;
    let more = "[relay]\nprompt_bytes = \"2KiB\"\nprompts_per_user = 1\n[limits]\n\
                message_bytes = \"1KiB\"\n";
    let server = server(&upstream, &format!("{OPEN}{more}")).await;
    let (bad, parameter) = (problem(400, "bad-prompt"), problem(400, "bad-parameter"));
    let chat = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
    let long = "x".repeat(3000);
    for (target, fields, body, expected) in [
        ("", "", "Hi", &problem(400, "bad-channel")),
        ("/a b", "", "Hi", &problem(400, "bad-channel")),
        ("/a?modle=m", "", "Hi", &problem(400, "unknown-parameter")),
        ("/a?model=m", "", chat, &parameter),
        ("/a", "\r\nTricast-Leave: perhaps", "Hi", &parameter),
        ("/a", "\r\nIdempotency-Key: a b", "Hi", &problem(400, "bad-id")),
        ("/a", "", "", &bad),
        ("/a", "", "{}", &bad),
        ("/a", "", "{\"messages\":[]}", &bad),
        ("/a", "", "{\"messages\":7,\"messages\":8}", &bad),
        ("/a", "", &long, &problem(413, "too-large")),
    ] {
        let target = target.replace(' ', "%20");
        assert_eq!(&refused(&server, &target, fields, body).await, expected, "{target} {body}");
    }
    let head = "POST /llm/a HTTP/1.1\r\nHost: t\r\nContent-Type: image/png\r\nContent-Length: 2";
    let picture = server.request(head, b"no").await;
    assert_eq!((picture.status, picture.problem().as_str()), (415, "bad-media-type"));
    for (path, status) in [("/llm/runs/r7", 404), ("/llm/runs", 400), ("/llm/a", 405)] {
        assert_eq!(server.get(path).await.status, status, "{path}");
    }
    assert!(upstream.is_idle().await);
}

#[tokio::test]
async fn a_gateway_without_upstreams_says_so() {
    let server = Server::with(OPEN).await;
    let answer = prompt(&server, "/a", "", "Hi").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-model"));
    assert!(answer.text().contains("[[llm]]"), "{}", answer.text());
}

/// One answer at once in a channel, and as many of a user and prompts a minute as allowed.
#[tokio::test]
async fn answers_and_prompts_are_limited() {
    let upstream = Upstream::start().await;
    let more = "[relay]\nruns_per_user = 2\nprompts_per_user = 4\n\
                [[namespace]]\npattern = \"side.*\"\nbusy = \"parallel\"\n";
    let server = guarded(&upstream, more).await;
    let alice = bearer(&prompter("alice", &["**"]));
    let run = start(&server, "/a", &alice, "1").await;
    let first = upstream.call().await;
    let busy = prompt(&server, "/a", &alice, "2").await;
    assert_eq!((busy.status, busy.problem().as_str()), (409, "run-active"));
    assert!(busy.text().contains(&run), "it names the run: {}", busy.text());
    assert_eq!(busy.fields["x-should-retry"], "false");
    start(&server, "/side.1", &alice, "3").await;
    let second = upstream.call().await;
    let third = prompt(&server, "/side.1", &alice, "4").await;
    assert_eq!((third.status, third.problem().as_str()), (429, "too-many-runs"));
    let fifth = prompt(&server, "/b", &alice, "5").await;
    assert_eq!((fifth.status, fifth.problem().as_str()), (429, "too-fast"));
    assert!(fifth.fields["retry-after"].parse::<u64>().expect("seconds") > 5);
    let bob = bearer(&prompter("bob", &["**"]));
    start(&server, "/side.1", &bob, "6").await;
    for call in [first, second, upstream.call().await] {
        call.answer(&["Yes"]).await;
    }
}
