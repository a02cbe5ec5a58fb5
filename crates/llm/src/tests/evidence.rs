//! The table of ends: every way in which a stream of chunks ends, and what it means.

use super::*;
use crate::{Limits, Reading};

const LIMITS: Limits = Limits { event_bytes: 1 << 20, answer_bytes: 1 << 20 };

/// Reads a whole body, as a run does.
fn outcome(choices: u32, body: &str, end: BodyEnd) -> Outcome {
    let mut reading = Reading::new(choices, LIMITS, Default::default());
    reading.read(body.as_bytes());
    reading.end(end)
}

const DELTA: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";
const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const OTHER: &str =
    "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";
const DONE_EVENT: &str = "data: [DONE]\n\n";
const ERROR_DATA: &str = "data: {\"error\":{\"code\":\"overloaded\"}}\n\n";

fn failed(failure: Failure) -> Outcome {
    Outcome::Failed(failure)
}

fn said(error: &str) -> Outcome {
    failed(Failure::Upstream(Some(error.to_owned())))
}

#[test]
fn an_answer_is_complete_once_every_choice_has_finished() {
    for end in [BodyEnd::Clean, BodyEnd::Cut] {
        for tail in ["", USAGE, DONE_EVENT, &format!("{USAGE}{DONE_EVENT}")] {
            let body = format!("{DELTA}{FINISH}{tail}");
            assert_eq!(outcome(1, &body, end), Outcome::Complete, "{tail} {end:?}");
        }
        let both = format!("{DELTA}{OTHER}{FINISH}{DONE_EVENT}");
        assert_eq!(outcome(2, &both, end), Outcome::Complete);
    }
    // The blank line of the last event is missing.
    let body = format!("{DELTA}{}", FINISH.trim_end());
    assert_eq!(outcome(1, &body, BodyEnd::Clean), Outcome::Complete);
}

#[test]
fn a_stream_that_just_ends_is_never_complete() {
    for body in ["", DELTA, ": alive\n\n", USAGE] {
        assert_eq!(outcome(1, body, BodyEnd::Clean), failed(Failure::Truncated), "{body}");
        assert_eq!(outcome(1, body, BodyEnd::Cut), failed(Failure::Cut), "{body}");
        let done = format!("{body}{DONE_EVENT}");
        assert_eq!(outcome(1, &done, BodyEnd::Clean), failed(Failure::Truncated), "{body}");
    }
    let one_of_two = format!("{DELTA}{FINISH}{DONE_EVENT}");
    assert_eq!(outcome(2, &one_of_two, BodyEnd::Clean), failed(Failure::Truncated));
    // A choice that nobody asked for has begun, and has not finished either.
    let more = "data: {\"choices\":[{\"index\":7,\"delta\":{\"content\":\"cut\"}}]}\n\n";
    let unasked = format!("{DELTA}{more}{FINISH}");
    assert_eq!(outcome(1, &unasked, BodyEnd::Clean), failed(Failure::Truncated));
    let other = format!("{DELTA}{OTHER}");
    assert_eq!(outcome(1, &other, BodyEnd::Clean), failed(Failure::Truncated), "not its choice");
    // The event that would have finished it was cut.
    let body = format!("{DELTA}{}", FINISH.trim_end());
    assert_eq!(outcome(1, &body, BodyEnd::Cut), failed(Failure::Cut));
    let body = format!("{DELTA}{}", &FINISH[..FINISH.len() - 10]);
    assert!(matches!(outcome(1, &body, BodyEnd::Clean), Outcome::Failed(Failure::Malformed(_))));
}

#[test]
fn an_error_of_the_upstream_ends_the_answer_wherever_it_stands() {
    let error = r#"{"code":"overloaded"}"#;
    for end in [BodyEnd::Clean, BodyEnd::Cut] {
        for body in [
            format!("{DELTA}{ERROR_DATA}"),
            format!("{DELTA}{ERROR_DATA}{DONE_EVENT}"),
            format!("{DELTA}{ERROR_DATA}{FINISH}{DONE_EVENT}"),
            format!("{DELTA}event: error\n{ERROR_DATA}"),
            format!("{DELTA}{{\"error\":{error}}}"),
            format!("{DELTA}{{\"error\":{error}}}\n"),
            format!("{DELTA}[{{\n  \"error\": {error}\n}}\n]"),
        ] {
            assert_eq!(outcome(1, &body, end), said(error), "{body} {end:?}");
        }
    }
    let finish = FINISH.replace("stop", "error");
    let body = format!("{DELTA}{finish}{DONE_EVENT}");
    assert_eq!(outcome(1, &body, BodyEnd::Clean), failed(Failure::Upstream(None)));
    let body = format!("{DELTA}event: error\ndata: {{}}\n\n");
    assert_eq!(outcome(1, &body, BodyEnd::Clean), failed(Failure::Upstream(None)));
}

#[test]
fn nonsense_ends_the_answer_and_what_follows_it_does_not_count() {
    for nonsense in ["data: {\"choices\":\n\n", "data: hello\n\n", "data: \n\n"] {
        let body = format!("{DELTA}{nonsense}{FINISH}{DONE_EVENT}");
        let outcome = outcome(1, &body, BodyEnd::Clean);
        assert!(matches!(outcome, Outcome::Failed(Failure::Malformed(_))), "{nonsense}");
    }
    // Nothing is read behind the end.
    let body = format!("{DELTA}{FINISH}{DONE_EVENT}data: hello\n\n");
    assert_eq!(outcome(1, &body, BodyEnd::Clean), Outcome::Complete);
    // However the body was cut: what was read with the end is what would not have been read.
    let behind = format!("{DELTA}{FINISH}{DONE_EVENT}{{\"error\":1}}");
    assert_eq!(outcome(1, &behind, BodyEnd::Clean), Outcome::Complete);
    // Text that says nothing of an error is not taken for one.
    let body = format!("{DELTA}{FINISH}{DONE_EVENT}{{\"note\":1}}");
    assert_eq!(outcome(1, &body, BodyEnd::Clean), Outcome::Complete);
}
