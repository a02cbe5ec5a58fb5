//! Commands: any input is understood or refused, and what is published is exactly what was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tricast_ws::fuzzing;

/// Valid JSON is passed on; this library cannot hold all of it: halves of surrogate pairs, numbers
/// beyond a double, deep nesting.
fn check_is_only_unreadable(error: &serde_json::Error) {
    let known =
        ["surrogate", "unicode code point", "hex escape", "out of range", "recursion limit"];
    let text = error.to_string();
    assert!(known.iter().any(|reason| text.contains(reason)), "{text}");
}

fuzz_target!(|text: &str| {
    let Some(draft) = fuzzing::command(text) else { return };
    let said: Value = match serde_json::from_str(text) {
        Ok(said) => said,
        Err(error) => return check_is_only_unreadable(&error),
    };
    let published = std::str::from_utf8(draft.data.as_bytes()).expect("JSON is UTF-8");
    assert!(!published.contains(['\n', '\r']), "a document is one line");
    let data: Value = serde_json::from_str(published).expect("JSON");
    assert_eq!(data, said["data"]);
    assert_eq!(draft.skip_self, said["skip_self"] == true);
    if let Some(channel) = said["channel"].as_str() {
        assert_eq!(draft.channel.as_str(), channel);
    }
    if let Some(event) = said["event"].as_str() {
        assert_eq!(draft.event.as_ref().map(|event| event.as_str()), Some(event));
        assert!(!event.starts_with("tricast."), "that prefix is the gateway's own");
    }
});
