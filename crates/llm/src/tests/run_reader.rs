//! A reader of one run gets each piece of the text once, wherever it was cut.

use serde_json::{Value, json};

use super::*;

const RUN: &str = "r7";

fn delta(run: &str, at: usize, content: &str) -> (&'static str, String) {
    let choice = json!({"index": 0, "at": at, "delta": {"content": content}});
    ("tricast.llm.delta", json!({"run": run, "choices": [choice]}).to_string())
}

fn end(text: &str) -> (&'static str, String) {
    let message = json!({"role": "assistant", "content": text});
    let choices = json!([{"index": 0, "finish_reason": "stop", "message": message}]);
    let end = json!({"run": RUN, "status": "complete", "choices": choices, "usage": {"x": 1}});
    ("tricast.llm.end", end.to_string())
}

/// What a reader has had: the text, and whether the run has ended.
fn read(reader: &mut RunReader, messages: &[(&str, String)], so_far: &str) -> (String, bool) {
    let (mut text, mut ended) = (String::new(), false);
    for (event, data) in messages {
        let choices = json!([{"index": 0, "message": {"content": so_far}}]).to_string();
        let pieces = match reader.read(event, data, || Some(choices)) {
            RunEvent::Nothing => Vec::new(),
            RunEvent::Pieces(pieces) => pieces,
            RunEvent::End(end) => {
                ended = true;
                end.pieces
            }
            RunEvent::Lost => panic!("{event} {data}"),
        };
        pieces.iter().filter_map(Piece::text).for_each(|piece| text.push_str(&piece));
    }
    (text, ended)
}

#[test]
fn a_reader_has_the_text_once_wherever_messages_are_missing() {
    const TEXT: &str = "Grüße, 😀 \"world\"\n!";
    let cuts: Vec<usize> = (0..=TEXT.len()).filter(|at| TEXT.is_char_boundary(*at)).collect();
    let mut whole: Vec<_> =
        cuts.windows(2).map(|pair| delta(RUN, pair[0], &TEXT[pair[0]..pair[1]])).collect();
    whole.push(delta("another", 0, "foreign"));
    whole.push(end(TEXT));
    for from in 0..whole.len() {
        for to in from..whole.len() {
            let mut left = whole.clone();
            left.drain(from..to);
            let mut reader = RunReader::new(RUN.to_owned());
            let (text, ended) = read(&mut reader, &left, TEXT);
            assert_eq!((text.as_str(), ended), (TEXT, true), "without {from}..{to}");
            assert_eq!(reader.offsets(), [TEXT.len() as u64]);
        }
    }
}

#[test]
fn a_reader_resumes_from_its_offset() {
    const TEXT: &str = "Grüße, world";
    for has in (0..=TEXT.len()).filter(|at| TEXT.is_char_boundary(*at)) {
        let mut reader = RunReader::resumed(RUN.to_owned(), &[has as u64]);
        let messages = [delta(RUN, 0, &TEXT[..2]), delta(RUN, 2, &TEXT[2..]), end(TEXT)];
        assert_eq!(read(&mut reader, &messages, TEXT), (TEXT[has..].to_owned(), true), "{has}");
        let mut reader = RunReader::resumed(RUN.to_owned(), &[has as u64]);
        assert_eq!(read(&mut reader, &[end(TEXT)], TEXT), (TEXT[has..].to_owned(), true), "{has}");
    }
}

#[test]
fn a_snapshot_brings_what_is_missing() {
    let message = json!({"role": "assistant", "content": "Hello wor"});
    let run = json!({"run": RUN, "choices": [{"index": 0, "message": message, "at": 9}]});
    let snapshot = ("tricast.llm.snapshot", json!({"runs": [run]}).to_string());
    let mut reader = RunReader::new(RUN.to_owned());
    let messages = [delta(RUN, 0, "Hel"), snapshot, delta(RUN, 9, "ld"), end("Hello world")];
    assert_eq!(read(&mut reader, &messages, ""), ("Hello world".to_owned(), true));
}

/// Pieces of a tool's call pass as they came; a reader that lacks one is not told a wrong call.
#[test]
fn a_call_of_a_tool_is_whole_or_lost() {
    let piece = |delta: Value| {
        let choice = json!({"index": 0, "at": 0, "delta": delta});
        ("tricast.llm.delta", json!({"run": RUN, "choices": [choice]}).to_string())
    };
    let call = |arguments: &str| {
        let call = json!({"index": 0, "id": "c", "function": {"arguments": arguments}});
        json!({"tool_calls": [call]})
    };
    let message = json!({"role": "assistant", "tool_calls":
        [{"index": 0, "id": "c", "function": {"arguments": "{\"a\":1}"}}]});
    let choices = json!([{"index": 0, "finish_reason": "tool_calls", "message": message}]);
    let end = json!({"run": RUN, "status": "complete", "choices": choices}).to_string();
    let pieces = [piece(call("{\"a\"")), piece(call(":1}"))];
    let none = || None;
    let mut reader = RunReader::new(RUN.to_owned());
    for (event, data) in &pieces {
        assert!(matches!(reader.read(event, data, none), RunEvent::Pieces(_)));
    }
    let RunEvent::End(read) = reader.read("tricast.llm.end", &end, none) else { panic!("{end}") };
    assert_eq!(read.reasons, [(0, "\"tool_calls\"".to_owned())]);
    let mut reader = RunReader::new(RUN.to_owned());
    reader.read(pieces[0].0, &pieces[0].1, none);
    assert_eq!(reader.read("tricast.llm.end", &end, none), RunEvent::Lost);
    let mut reader = RunReader::resumed(RUN.to_owned(), &[0]);
    assert_eq!(reader.read("tricast.llm.end", &end, none), RunEvent::Lost);
}

#[test]
fn halves_of_a_character_pass_as_they_came() {
    let spelled = |at: usize, content: &str| {
        let delta = format!(r#"{{"content":"{content}"}}"#);
        let choice = format!(r#"{{"index":0,"at":{at},"delta":{delta}}}"#);
        let data = format!(r#"{{"run":"{RUN}","choices":[{choice}]}}"#);
        ("tricast.llm.delta", data)
    };
    let mut reader = RunReader::new(RUN.to_owned());
    let mut joined = String::new();
    for (event, data) in [spelled(0, r"a\ud83d"), spelled(1, r"\ude00b")] {
        let RunEvent::Pieces(pieces) = reader.read(event, &data, || None) else { panic!("{data}") };
        joined.push_str(pieces[0].delta.split('"').nth(3).expect("a text"));
    }
    assert_eq!(joined, r"a\ud83d\ude00b");
    let (event, data) = end("a😀b");
    assert!(matches!(
        reader.read(event, &data, || None),
        RunEvent::End(end) if end.pieces.is_empty()
    ));
}
