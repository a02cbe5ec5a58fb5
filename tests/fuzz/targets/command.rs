//! Commands: any text is parsed or refused, and what is published is what the command contained.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tricast_ws::fuzzing;

/// Checks that a text is JSON by its grammar and only beyond this library: half a surrogate pair,
/// numbers beyond a double, deep nesting. The gateway passes such data on unchanged.
fn check_is_only_unreadable(error: &serde_json::Error) {
    let known =
        ["surrogate", "unicode code point", "hex escape", "out of range", "recursion limit"];
    let text = error.to_string();
    assert!(known.iter().any(|reason| text.contains(reason)), "{text}");
}

fuzz_target!(|text: &str| {
    let Some(draft) = fuzzing::command(text) else { return };
    let sent: Value = match serde_json::from_str(text) {
        Ok(sent) => sent,
        Err(error) => return check_is_only_unreadable(&error),
    };
    let published = std::str::from_utf8(draft.data.as_bytes()).expect("JSON is UTF-8");
    assert!(!published.contains(['\n', '\r']), "a document is one line");
    let data: Value = serde_json::from_str(published).expect("JSON");
    assert_eq!(data, sent["data"]);
    assert_eq!(draft.skip_self, sent["skip_self"] == true);
    if let Some(channel) = sent["channel"].as_str() {
        assert_eq!(draft.channel.as_str(), channel);
    }
    if let Some(event) = sent["event"].as_str() {
        assert_eq!(draft.event.as_ref().map(|event| event.as_str()), Some(event));
        assert!(!event.starts_with("tricast."), "that prefix is reserved");
    }
});
