//! Streams of upstreams: however the bytes are cut the same is read, another library reads the same
//! events, and deltas add up to the answer, each at its place.
#![no_main]

use std::{collections::BTreeMap, convert::Infallible};

use eventsource_stream::Eventsource as _;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tricast_llm::{BodyEnd, EventStream, Item, Outcome, fuzzing};

/// An event's name, which is `message` by default, and its data.
type Named = (String, String);

fn ours(text: &str, piece: usize) -> Vec<Named> {
    let (mut parser, mut items) = (EventStream::new(usize::MAX), Vec::new());
    for piece in text.as_bytes().chunks(piece) {
        parser.read(piece, &mut items).expect("there is no limit");
    }
    let events = items.into_iter().filter_map(|item| match item {
        Item::Event(event) => Some(event),
        Item::Comment => None,
    });
    let text = |bytes| String::from_utf8(bytes).expect("a part of a text");
    events
        .map(|event| {
            let name = text(event.name);
            (if name.is_empty() { "message".to_owned() } else { name }, text(event.data))
        })
        .collect()
}

/// `None` where the other library fails: at a byte order mark, which is ignored once.
fn theirs(text: &str) -> Option<Vec<Named>> {
    const BYTE_ORDER_MARK: char = '\u{feff}';
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if text.is_empty() || text.starts_with(BYTE_ORDER_MARK) {
        return None;
    }
    let whole = stream::iter([Ok::<_, Infallible>(text.to_owned())]).eventsource();
    let events: Vec<_> = whole.collect().now_or_never().expect("nothing to wait for");
    Some(events.into_iter().flatten().map(|event| (event.event, event.data)).collect())
}

/// The outcome, the choices, and the deltas that were taken after so many bytes each.
fn read(bytes: &[u8], piece: usize, choices: u32, end: BodyEnd) -> (Outcome, String, Vec<String>) {
    let mut reading = fuzzing::reading(choices);
    let mut deltas = Vec::new();
    for piece in bytes.chunks(piece) {
        let is_over = reading.read(piece).is_over;
        deltas.extend(reading.take_delta());
        if is_over {
            break;
        }
    }
    let outcome = reading.end(end);
    deltas.extend(reading.take_delta());
    (outcome, reading.answer().choices(), deltas)
}

/// Adds up the texts of the choices. `None` if a delta has half of a surrogate pair, or a content
/// that is no text.
fn add_up(deltas: &[String]) -> Option<BTreeMap<u64, String>> {
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    for delta in deltas {
        let delta: Vec<Value> = serde_json::from_str(delta).ok()?;
        for choice in delta {
            let text = texts.entry(choice["index"].as_u64().expect("an index")).or_default();
            assert_eq!(choice["at"].as_u64(), Some(text.len() as u64), "{choice}");
            match &choice["delta"]["content"] {
                Value::Null => {}
                Value::String(more) => text.push_str(more),
                _ => return None,
            }
        }
    }
    Some(texts)
}

fuzz_target!(|input: (u8, u8, bool, &[u8])| {
    let (cut, choices, is_cut, bytes) = input;
    let (piece, whole) = (usize::from(cut).max(1), bytes.len().max(1));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (ours, in_pieces) = (ours(text, whole), ours(text, piece));
        assert_eq!(ours, in_pieces);
        if let Some(theirs) = theirs(text) {
            // They wait for what follows a carriage return.
            let compared = if text.ends_with('\r') { theirs.len() } else { ours.len() };
            assert_eq!(ours[..compared], theirs);
        }
    }
    let end = if is_cut { BodyEnd::Cut } else { BodyEnd::Clean };
    let choices = u32::from(choices % 3) + 1;
    let (outcome, answer, deltas) = read(bytes, whole, choices, end);
    let (other_outcome, other_answer, other_deltas) = read(bytes, piece, choices, end);
    assert_eq!((&outcome, &answer), (&other_outcome, &other_answer));
    let sums = add_up(&deltas).zip(add_up(&other_deltas));
    let Some((sum, other_sum)) = sums else { return };
    let Ok(answer) = serde_json::from_str::<Vec<Value>>(&answer) else { return };
    for choice in answer {
        let Some(text) = choice["message"]["content"].as_str() else { continue };
        let index = choice["index"].as_u64().expect("an index");
        for sum in [&sum, &other_sum] {
            assert_eq!(sum.get(&index).map_or("", String::as_str), text, "{index}");
        }
    }
});
