//! What some bytes of a response bring, and what all of them add up to.

use serde_json::Value;

use super::*;

const LIMITS: Limits = Limits { event_bytes: 4096, answer_bytes: 4096 };

fn reading(choices: u32) -> Reading {
    Reading::new(choices, LIMITS, Arc::default())
}

/// Reads bytes, and takes what they bring.
fn read(reading: &mut Reading, bytes: &[u8]) -> (Read, Option<String>) {
    let read = reading.read(bytes);
    (read, reading.take_delta())
}

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
fn what_was_read_is_one_delta() {
    let mut reading = reading(1);
    let alive = Read { is_alive: true, is_over: false };
    let role = chunk(0, r#"{"role":"assistant","content":""}"#, "");
    assert_eq!(read(&mut reading, role.as_bytes()), (alive, None), "it says nothing yet");
    let two = [text("Hel"), text("lö")].concat();
    let (_, delta) = read(&mut reading, two.as_bytes());
    let expected = r#"[{"index":0,"at":0,"delta":{"role":"assistant","content":"Hellö"}}]"#;
    assert_eq!(delta.as_deref(), Some(expected), "with the role, which says nothing by itself");
    assert_eq!(reading.read(b"data: {\"choi"), Read::default(), "a part is no sign of life");
    assert_eq!(read(&mut reading, b"ces\":[]}\n\n"), (alive, None));
    assert!(reading.read(b": still here\n").is_alive);
    let (_, delta) = read(&mut reading, text("!").as_bytes());
    assert_eq!(delta.as_deref(), Some(r#"[{"index":0,"at":6,"delta":{"content":"!"}}]"#));
    reading.read(finish().as_bytes());
    assert!(reading.read(b"data: [DONE]\n\ndata: nonsense\n\n").is_over);
    assert_eq!(reading.end(BodyEnd::Clean), Outcome::Complete);
    assert_eq!(reading.take_delta(), None);
    let message = r#"{"role":"assistant","content":"Hellö!"}"#;
    let choices = format!(r#"[{{"index":0,"finish_reason":"stop","message":{message}}}]"#);
    assert_eq!((reading.answer().choices(), reading.chunks()), (choices, 3));
}

#[test]
fn a_choice_that_only_has_a_role_waits_for_its_text() {
    let mut reading = reading(2);
    let both = [chunk(1, r#"{"role":"assistant"}"#, ""), text("a")].concat();
    let (_, delta) = read(&mut reading, both.as_bytes());
    assert_eq!(delta.as_deref(), Some(r#"[{"index":0,"at":0,"delta":{"content":"a"}}]"#));
    let (_, delta) = read(&mut reading, chunk(1, r#"{"content":"b"}"#, "").as_bytes());
    let expected = r#"[{"index":1,"at":0,"delta":{"role":"assistant","content":"b"}}]"#;
    assert_eq!(delta.as_deref(), Some(expected));
}

#[test]
fn a_response_in_one_document_is_one_delta_and_the_end() {
    let mut one = reading(1);
    let message = r#"{"role":"assistant","content":"all"}"#;
    let body = format!(r#"{{"choices":[{{"message":{message},"finish_reason":"stop"}}]}}"#);
    assert!(one.read_whole(body.as_bytes()).is_over);
    let delta = format!(r#"[{{"index":0,"at":0,"delta":{message}}}]"#);
    assert_eq!((one.take_delta(), one.end(BodyEnd::Clean)), (Some(delta), Outcome::Complete));
    let mut error = reading(1);
    error.read_whole(br#"{"error":{"message":"no"}}"#);
    let said = Failure::Upstream(Some(r#"{"message":"no"}"#.to_owned()));
    assert_eq!(error.end(BodyEnd::Clean), Outcome::Failed(said));
    let mut page = reading(1);
    page.read_whole(b"<html>");
    assert!(matches!(page.end(BodyEnd::Clean), Outcome::Failed(Failure::Malformed(_))));
}

#[test]
fn the_last_event_counts_without_its_blank_line_unless_the_body_was_cut() {
    for (end, expected) in
        [(BodyEnd::Clean, Outcome::Complete), (BodyEnd::Cut, Outcome::Failed(Failure::Cut))]
    {
        let mut reading = reading(1);
        let last = chunk(0, r#"{"content":"!"}"#, ",\"finish_reason\":\"stop\"");
        assert_eq!(read(&mut reading, last.trim_end().as_bytes()).1, None);
        assert_eq!(reading.end(end), expected);
        assert_eq!(reading.take_delta().is_some(), end == BodyEnd::Clean);
        assert_eq!(reading.answer().has_content(), end == BodyEnd::Clean);
    }
}

#[test]
fn an_answer_is_bounded_and_what_was_published_stays_within_the_bound() {
    let mut long = reading(1);
    let mut published = 0;
    loop {
        let (read, delta) = read(&mut long, text("some words").as_bytes());
        published += usize::from(delta.is_some());
        if read.is_over {
            assert_eq!(delta, None, "what does not fit is not published");
            break;
        }
    }
    assert_eq!(long.end(BodyEnd::Clean), Outcome::Failed(Failure::TooLong));
    let choices = long.answer().choices();
    assert!(choices.len() <= LIMITS.answer_bytes && choices.len() > LIMITS.answer_bytes / 2);
    assert_eq!(choices.matches("some words").count(), published);
    // An event without an end is bounded, too.
    let mut endless = reading(1);
    let read = endless.read(&[b'x'; 5000]);
    assert!(read.is_over && !read.is_alive);
    assert!(matches!(endless.end(BodyEnd::Cut), Outcome::Failed(Failure::Malformed(_))));
}

/// However the body is cut, the deltas add up to the answer, and each says where it belongs.
#[test]
fn the_deltas_add_up_to_the_answer_however_the_body_is_cut() {
    let words = ["Grüße ", "an 😀\n", "\"alle\"", " \u{2028}"];
    let body: String = words.map(text).into_iter().chain([finish()]).collect();
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut reading = reading(1);
        let mut rest = body.as_bytes();
        let mut heard = String::new();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(random.usize(1..=rest.len().min(200)));
            rest = later;
            reading.read(piece);
            // What is not taken goes with the next delta.
            if random.bool()
                && !rest.is_empty()
                && let Some(delta) = reading.take_delta()
            {
                heard = add(heard, &delta);
            }
        }
        if let Some(delta) = reading.take_delta() {
            heard = add(heard, &delta);
        }
        assert_eq!(heard, words.concat(), "{seed}");
        assert_eq!(reading.end(BodyEnd::Clean), Outcome::Complete);
        let choices: Value = serde_json::from_str(&reading.answer().choices()).expect("JSON");
        assert_eq!(choices[0]["message"]["content"], words.concat());
    }
}

fn add(heard: String, delta: &str) -> String {
    let delta: Value = serde_json::from_str(delta).expect("JSON");
    assert_eq!(delta[0]["at"], heard.len());
    heard + delta[0]["delta"]["content"].as_str().expect("text")
}

/// The key goes on in no delta but the part that came before anybody could know.
#[test]
fn an_answer_with_a_key_ends_and_is_withdrawn() {
    const KEY: &str = "canary-0123456789";
    let guarded = || {
        let guard = KeyGuard::new(&[KEY.to_owned().into()]);
        Reading::new(1, LIMITS, Arc::new(guard))
    };
    let reasoning = |text: &str| chunk(0, &format!("{{\"reasoning\":\"{text}\"}}"), "");
    let call = format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":"{KEY}"}}}}]}}"#);
    let escaped: String = KEY.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    for pieces in [
        vec![text("it is "), text(KEY)],
        vec![text("it is canary-01"), reasoning("hm"), text("23456789.")],
        vec![reasoning(&KEY[..3]), text("a"), reasoning(&KEY[3..])],
        vec![text("a"), reasoning(&escaped[..60]), reasoning(&escaped[60..])],
        vec![text("a"), chunk(0, &call, "")],
        vec![text("a"), chunk(0, &format!("{{\"{KEY}\":1}}"), "")],
        vec![text("a"), chunk(0, "{}", &format!(",\"finish_reason\":\"{KEY}\""))],
    ] {
        let mut reading = guarded();
        let (last, before) = pieces.split_last().expect("pieces");
        for piece in before {
            let (read, delta) = read(&mut reading, piece.as_bytes());
            // What may be its beginning waits.
            let told = delta.unwrap_or_default();
            assert!(!read.is_over && !told.contains(KEY), "{pieces:?}");
        }
        let (read, delta) = read(&mut reading, last.as_bytes());
        assert_eq!((read.is_over, delta), (true, None), "{pieces:?}");
        assert_eq!(reading.end(BodyEnd::Clean), Outcome::Failed(Failure::Key));
        assert_eq!(reading.answer().choices(), "[]");
    }
}

/// The key that an upstream must not send back.
const KEY: &str = "sk-canary-1234567890";

fn guarded() -> Reading {
    let secret = tricast_core::Secret::from(KEY.to_owned());
    Reading::new(1, LIMITS, Arc::new(KeyGuard::new([&secret])))
}

#[test]
fn the_beginning_of_a_key_waits_for_what_follows() {
    for cut in 1..KEY.len() {
        let mut reading = guarded();
        let (first, rest) = KEY.split_at(cut);
        let (_, delta) = read(&mut reading, text(&format!("is {first}")).as_bytes());
        let told = delta.unwrap_or_default();
        assert!(!told.contains("sk-canary"), "{cut}: {told}");
        let (read, delta) = read(&mut reading, text(rest).as_bytes());
        assert!(read.is_over && delta.is_none(), "{cut}: {delta:?}");
        assert_eq!(reading.end(BodyEnd::Clean), Outcome::Failed(Failure::Key));
    }
    // What was no key after all is told, and at its place.
    let mut reading = guarded();
    let mut told = String::new();
    for piece in ["is sk-canary-12", "3", "! ü sk-canary", ""] {
        let (_, delta) = read(&mut reading, text(piece).as_bytes());
        told.extend(delta);
    }
    reading.read(finish().as_bytes());
    reading.end(BodyEnd::Clean);
    told.extend(reading.take_delta());
    let expected = concat!(
        r#"[{"index":0,"at":0,"delta":{"content":"is "}}]"#,
        r#"[{"index":0,"at":3,"delta":{"content":"sk-canary-123! ü "}}]"#,
        r#"[{"index":0,"at":21,"delta":{"content":"sk-canary"}}]"#,
    );
    assert_eq!(told, expected);
}
