//! What a client asks for, and what an upstream is asked for.

use serde_json::{Value, json};

use super::*;

fn parse(body: &Value) -> Result<ChatRequest, BadRequest> {
    ChatRequest::parse(body.to_string().as_bytes())
}

#[test]
fn the_upstream_gets_what_the_client_sent_and_a_stream() {
    let body = concat!(
        r#"{"model":"fast","messages":[ {"role":"user","content":"\ud83d\ude00 1"} ],"#,
        r#""temperature":1.50,"seed":123456789012345678901,"stream":false,"#,
        r#""stream_options":{"include_obfuscation":false,"include_usage":false},"#,
        r#""tricast":{"channel":"a"},"x y":null}"#
    );
    let request = ChatRequest::parse(body.as_bytes()).expect("a prompt");
    assert_eq!((request.model(), request.choices(), request.streams()), (Some("fast"), 1, false));
    assert_eq!(request.own_member(), Some(r#"{"channel":"a"}"#));
    assert!(!request.includes_usage());
    let sent = String::from_utf8(request.to_body("qwen-7b")).expect("text");
    let expected = concat!(
        r#"{"model":"qwen-7b","messages":[ {"role":"user","content":"\ud83d\ude00 1"} ],"#,
        r#""temperature":1.50,"seed":123456789012345678901,"stream":true,"#,
        r#""stream_options":{"include_obfuscation":false,"include_usage":true},"x y":null}"#
    );
    assert_eq!(sent, expected);
}

#[test]
fn a_text_is_one_message_of_the_user() {
    let request = ChatRequest::of_text("say \"hi\"\n");
    let sent: Value = serde_json::from_slice(&request.to_body("m")).expect("JSON");
    let expected = json!({
        "messages": [{"role": "user", "content": "say \"hi\"\n"}],
        "model": "m", "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(sent, expected);
}

#[test]
fn what_is_no_prompt_is_refused() {
    let messages = json!([{"role": "user", "content": "a"}]);
    for (body, said) in [
        (json!([]), "JSON object"),
        (json!({}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "a"}), "messages"),
        (json!({"messages": messages, "model": 1}), "model"),
        (json!({"messages": messages, "model": ""}), "model"),
        (json!({"messages": messages, "model": "a\n"}), "model"),
        (json!({"messages": messages, "model": "a".repeat(257)}), "model"),
        (json!({"messages": messages, "n": 0}), "\"n\""),
        (json!({"messages": messages, "n": 129}), "\"n\""),
        (json!({"messages": messages, "n": "2"}), "\"n\""),
        (json!({"messages": messages, "stream": 1}), "stream"),
        (json!({"messages": messages, "stream_options": 1}), "stream_options"),
    ] {
        let error = parse(&body).expect_err("no prompt").to_string();
        assert!(error.contains(said), "{body}: {error}");
    }
    // The gateway would look at one of them, and an upstream perhaps at the other.
    let twice = br#"{"messages":[{}],"model":"cheap","m\u006fdel":"dear"}"#;
    assert!(matches!(ChatRequest::parse(twice), Err(BadRequest::Twice(_))));
    assert!(matches!(ChatRequest::parse(b"{\"messages\":[\"\xff\"]}"), Err(BadRequest::Text(_))));
    assert!(parse(&json!({"messages": messages, "n": null, "stream": null})).is_ok());
}

#[test]
fn the_tokens_of_an_answer_are_bounded() {
    let messages = json!([{"role": "user", "content": "a"}]);
    for (asked, expected) in [
        (json!({}), json!({"max_tokens": 100})),
        (json!({"max_tokens": 50}), json!({"max_tokens": 50})),
        (json!({"max_tokens": 5000}), json!({"max_tokens": 100})),
        (json!({"max_tokens": 1e300}), json!({"max_tokens": 100})),
        (json!({"max_tokens": "many"}), json!({"max_tokens": 100})),
        (json!({"max_completion_tokens": 500}), json!({"max_completion_tokens": 100})),
        (
            json!({"max_completion_tokens": null, "max_tokens": 101}),
            json!({"max_completion_tokens": null, "max_tokens": 100}),
        ),
    ] {
        let mut body = json!({"messages": messages});
        body.as_object_mut().expect("an object").extend(asked.as_object().expect("one").clone());
        let mut request = parse(&body).expect("a prompt");
        request.limit_tokens(100);
        let mut sent: Value = serde_json::from_slice(&request.to_body("m")).expect("JSON");
        let sent = sent.as_object_mut().expect("an object");
        sent.retain(|name, _| name.starts_with("max_"));
        assert_eq!(*sent, *expected.as_object().expect("an object"), "{asked}");
    }
}

#[test]
fn messages_of_the_hook_come_first() {
    let mut request = ChatRequest::of_text("hi");
    request.prepend_messages(r#"[{"role":"system","content":"be brief"}]"#).expect("a list");
    let sent: Value = serde_json::from_slice(&request.to_body("m")).expect("JSON");
    let expected = json!([
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}
    ]);
    assert_eq!(sent["messages"], expected);
    assert!(request.prepend_messages("{}").is_err());
}
