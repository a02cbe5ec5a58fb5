//! Deltas add up to the message that the upstream would have sent at once.

use serde_json::{Value, json};

use super::*;

fn merge(deltas: &[&str]) -> String {
    let mut object = Object::default();
    for delta in deltas {
        let delta: &RawValue = serde_json::from_str(delta).expect("JSON");
        object.add(delta).expect("is a delta");
    }
    let mut json = String::new();
    object.write(&mut json);
    assert!(object.length() >= json.len(), "{json}");
    json
}

#[test]
fn texts_are_joined_and_names_are_told_once() {
    let json = merge(&[
        r#"{"role":"assistant","content":""}"#,
        r#"{"content":"Hel"}"#,
        r#"{"role":"assistant","content":"lo","reasoning_content":"hm","refusal":null}"#,
        r#"{"content":" \"you\"\n","reasoning_content":"m"}"#,
        "{}",
    ]);
    let expected = r#"{"role":"assistant","content":"Hello \"you\"\n","reasoning_content":"hmm"}"#;
    assert_eq!(json, expected);
}

#[test]
fn halves_of_a_character_are_one_again_and_numbers_keep_their_digits() {
    let json = merge(&[r#"{"content":"a\ud83d","x":1.50}"#, r#"{"content":"\ude00b","x":1e400}"#]);
    assert_eq!(json, r#"{"content":"a\ud83d\ude00b","x":1e400}"#);
    let value: Value = serde_json::from_str(r#"{"content":"a\ud83d\ude00b"}"#).expect("JSON");
    assert_eq!(value["content"], "a😀b");
}

#[test]
fn tool_calls_grow_by_their_index_however_they_are_interleaved() {
    let json = merge(&[
        r#"{"content":null,"tool_calls":[{"index":1,"id":"b","type":"function",
            "function":{"name":"g","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","type":"function",
            "function":{"name":"f","arguments":"{\"x\""}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":"[1"}},
            {"index":0,"id":"a","function":{"name":"f","arguments":":1}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"type":"function","function":{"arguments":"]"}}]}"#,
    ]);
    let value: Value = serde_json::from_str(&json).expect("JSON");
    let call = |index: u32, id: &str, name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"index": index, "id": id, "type": "function", "function": function})
    };
    let calls = json!([call(0, "a", "f", "{\"x\":1}"), call(1, "b", "g", "[1]")]);
    assert_eq!(value, json!({"tool_calls": calls}));
}

#[test]
fn lists_without_an_index_are_joined() {
    let json = merge(&[
        r#"{"annotations":[],"parts":[{"a":1}]}"#,
        r#"{"annotations":[{"url":"x"}],"parts":[ ]}"#,
        r#"{"annotations":[1, [2]],"parts":[{"a":2}]}"#,
    ]);
    assert_eq!(json, r#"{"annotations":[{"url":"x"},1, [2]],"parts":[{"a":1},{"a":2}]}"#);
}

#[test]
fn a_member_that_changes_its_kind_is_replaced() {
    let json =
        merge(&[r#"{"a":"x","b":{"c":1},"d":[1]}"#, r#"{"a":{"y":1},"b":7,"d":"z","\"\u0007":0}"#]);
    assert_eq!(json, r#"{"a":{"y":1},"b":7,"d":"z","\"\u0007":0}"#);
}

#[test]
fn what_is_no_object_is_refused() {
    for delta in ["7", "[]", "\"x\"", r#"{"tool_calls":[{"index":0}],"x":{"tool_calls":[]}}"#] {
        let delta: &RawValue = serde_json::from_str(delta).expect("JSON");
        let mut object = Object::default();
        assert_eq!(object.add(delta).is_ok(), delta.get().starts_with('{'), "{delta}");
    }
    let mut object = Object::default();
    let first: &RawValue = serde_json::from_str(r#"{"t":[{"index":0}]}"#).expect("JSON");
    let second: &RawValue = serde_json::from_str(r#"{"t":[7]}"#).expect("JSON");
    object.add(first).expect("is a delta");
    assert!(object.add(second).is_err());
}

/// However a text is cut, the pieces add up to it.
#[test]
fn any_cut_of_a_text_adds_up() {
    let text = "a\"\\\u{7}é😀\u{2028}𝔘 z";
    let spelled = serde_json::to_string(text).expect("JSON");
    let inner: Vec<char> = inside(&spelled).chars().collect();
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut deltas = vec![String::new()];
        let mut at = 0;
        while at < inner.len() {
            // An escape is never cut: the upstream cuts texts, not their spelling.
            let length = match (inner[at], inner.get(at + 1)) {
                ('\\', Some('u')) => 6,
                ('\\', _) => 2,
                _ => 1,
            };
            let piece: String = inner[at..at + length].iter().collect();
            if random.bool() {
                deltas.push(String::new());
            }
            deltas.last_mut().expect("has one").push_str(&piece);
            at += length;
        }
        let deltas: Vec<_> = deltas.iter().map(|it| format!("{{\"content\":\"{it}\"}}")).collect();
        let json = merge(&deltas.iter().map(String::as_str).collect::<Vec<_>>());
        let value: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["content"], text, "{seed}");
    }
}

#[test]
fn a_delta_that_is_nested_too_deep_is_refused() {
    let nested = |levels: usize| {
        let text = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let delta: Box<RawValue> = RawValue::from_string(text).expect("JSON");
        Object::default().add(&delta).is_ok()
    };
    assert!(nested(DEEPEST));
    assert!(!nested(DEEPEST + 1));
    // As deep as would have used up the stack.
    assert!(!nested(100_000));
    // What stands in a text is no level.
    let text = format!("{{\"a\":\"{}\\\"[\"}}", "[{".repeat(1000));
    let delta = RawValue::from_string(text).expect("JSON");
    assert!(Object::default().add(&delta).is_ok());
}
