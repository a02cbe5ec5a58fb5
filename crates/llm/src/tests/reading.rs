//! What some bytes of a response bring, and what all of them add up to.

use serde_json::Value;

use super::*;

const LIMITS: Limits = Limits { event_bytes: 4096, answer_bytes: 4096 };

fn chunk(index: u32, delta: &str, rest: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{delta}{rest}}}]}}\n\n")
}

fn text(text: &str) -> String {
    chunk(0, &format!("{{\"content\":{}}}", Value::from(text)), "")
}

fn finish() -> String {
    chunk(0, "{}", ",\"finish_reason\":\"stop\"")
}

#[test]
fn what_one_read_brings_is_one_delta() {
    let mut reading = Reading::new(1, LIMITS);
    let read = reading.read(chunk(0, r#"{"role":"assistant","content":""}"#, "").as_bytes());
    assert_eq!(read, Read { delta: None, is_alive: true, is_over: false }, "it says nothing yet");
    let two = [text("Hel"), text("lo")].concat();
    let read = reading.read(two.as_bytes());
    let delta = r#"[{"index":0,"delta":{"content":"Hello"}}]"#;
    assert_eq!(read.delta.as_deref(), Some(delta));
    let read = reading.read(b"data: {\"choi");
    assert_eq!(read, Read::default(), "a part of an event is no sign of life");
    let read = reading.read(b"ces\":[]}\n\n");
    assert_eq!((read.delta, read.is_alive), (None, true));
    assert!(reading.read(b": still here\n").is_alive);
    reading.read(finish().as_bytes());
    let read = reading.read(b"data: [DONE]\n\ndata: nonsense\n\n");
    assert!(read.is_over && read.delta.is_none());
    let (last, outcome, answer) = reading.end(BodyEnd::Clean);
    assert_eq!((last, outcome), (None, Outcome::Complete));
    let message = r#"{"role":"assistant","content":"Hello"}"#;
    let choices = format!(r#"[{{"index":0,"finish_reason":"stop","message":{message}}}]"#);
    assert_eq!(answer.choices(), choices);
}

#[test]
fn a_response_in_one_document_is_one_delta_and_the_end() {
    let mut reading = Reading::new(1, LIMITS);
    let message = r#"{"role":"assistant","content":"all"}"#;
    let body = format!(r#"{{"choices":[{{"message":{message},"finish_reason":"stop"}}]}}"#);
    let read = reading.read_whole(body.as_bytes());
    let delta = format!(r#"[{{"index":0,"delta":{message}}}]"#);
    assert_eq!((read.delta, read.is_over), (Some(delta), true));
    assert_eq!(reading.end(BodyEnd::Clean).1, Outcome::Complete);
    let mut reading = Reading::new(1, LIMITS);
    reading.read_whole(br#"{"error":{"message":"no"}}"#);
    let said = Failure::Upstream(Some(r#"{"message":"no"}"#.to_owned()));
    assert_eq!(reading.end(BodyEnd::Clean).1, Outcome::Failed(said));
    let mut reading = Reading::new(1, LIMITS);
    reading.read_whole(b"<html>");
    assert!(matches!(reading.end(BodyEnd::Clean).1, Outcome::Failed(Failure::Malformed(_))));
}

#[test]
fn the_last_event_counts_without_its_blank_line_unless_the_body_was_cut() {
    for (end, expected) in
        [(BodyEnd::Clean, Outcome::Complete), (BodyEnd::Cut, Outcome::Failed(Failure::Cut))]
    {
        let mut reading = Reading::new(1, LIMITS);
        let last = chunk(0, r#"{"content":"!"}"#, ",\"finish_reason\":\"stop\"");
        assert_eq!(reading.read(last.trim_end().as_bytes()).delta, None);
        let (delta, outcome, answer) = reading.end(end);
        assert_eq!((delta.is_some(), &outcome), (end == BodyEnd::Clean, &expected));
        assert_eq!(answer.has_content(), end == BodyEnd::Clean);
    }
}

#[test]
fn an_answer_is_bounded_and_what_was_published_stays_within_the_bound() {
    let mut reading = Reading::new(1, LIMITS);
    let mut published = 0;
    let over = loop {
        let read = reading.read(text("some words").as_bytes());
        published += usize::from(read.delta.is_some());
        if read.is_over {
            break read;
        }
    };
    assert_eq!(over.delta, None, "what does not fit is not published");
    let (_, outcome, answer) = reading.end(BodyEnd::Clean);
    assert_eq!(outcome, Outcome::Failed(Failure::TooLong));
    let choices = answer.choices();
    assert!(choices.len() <= LIMITS.answer_bytes && choices.len() > LIMITS.answer_bytes / 2);
    assert_eq!(choices.matches("some words").count(), published);
    // An event without an end is bounded, too.
    let mut reading = Reading::new(1, LIMITS);
    let read = reading.read(&[b'x'; 5000]);
    assert!(read.is_over && !read.is_alive);
    assert!(matches!(reading.end(BodyEnd::Cut).1, Outcome::Failed(Failure::Malformed(_))));
}

/// However the body is cut, the deltas add up to the answer.
#[test]
fn the_deltas_add_up_to_the_answer_however_the_body_is_cut() {
    let words = ["Grüße ", "an 😀\n", "\"alle\"", " \u{2028}"];
    let body: String = words.map(text).into_iter().chain([finish()]).collect();
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut reading = Reading::new(1, LIMITS);
        let mut rest = body.as_bytes();
        let mut heard = String::new();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(random.usize(1..=rest.len().min(200)));
            rest = later;
            if let Some(delta) = reading.read(piece).delta {
                let delta: Value = serde_json::from_str(&delta).expect("JSON");
                heard += delta[0]["delta"]["content"].as_str().expect("text");
            }
        }
        assert_eq!(heard, words.concat(), "{seed}");
        let (_, outcome, answer) = reading.end(BodyEnd::Clean);
        let choices: Value = serde_json::from_str(&answer.choices()).expect("JSON");
        assert_eq!(choices[0]["message"]["content"], words.concat());
        assert_eq!(outcome, Outcome::Complete);
    }
}
