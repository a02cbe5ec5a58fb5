//! Keys in a wrong place, entries of lists, and unclosed lists: the error says what to write.

use crate::wrong_values::{file_error, variable_error};

/// Checks the errors of settings in TOML.
fn file_errors_have(cases: &[(&str, &str)]) {
    for (text, words) in cases {
        let error = file_error(text).expect(text);
        assert!(error.contains(words), "{text}: {error}");
        assert!(error.starts_with("a.toml: "), "{text}: {error}");
    }
}

/// In TOML a key belongs to the section above it.
#[test]
fn a_key_in_the_wrong_section_is_found_where_it_is() {
    file_errors_have(&[
        (
            "[stream]\ndashboard = \"off\"",
            "no setting stream.dashboard; do you mean dashboard? A key without a section has to be \
             above the first section",
        ),
        (
            "[limits]\nheartbeat = \"1s\"",
            "no setting limits.heartbeat; do you mean stream.heartbeat",
        ),
        ("[stream]\nheartbeats = \"1s\"", "do you mean stream.heartbeat?"),
        ("[strem]\nheartbeat = \"1s\"", "no setting strem; do you mean stream?"),
        (
            "[rates]\nuser = 5",
            "no setting rates.user; [rates] has bytes_per_address, bytes_per_key",
        ),
        (
            "[tokens]\nalgorithm = \"RS256\"",
            "no setting tokens.algorithm; do you mean algorithm in an entry of [[tokens.keys]]?",
        ),
        ("nonsense = 1", "there is no setting nonsense; gateway.toml lists all settings"),
        ("\"two words\" = 1", "there is no setting \"two words\"; gateway.toml lists all"),
    ]);
    let error = variable_error("TRICAST__STREAM__DASHBOARD", "off").expect("no such key");
    assert!(error.contains("do you mean dashboard? Write TRICAST__DASHBOARD;"), "{error}");
}

/// As `tricast check --channel` counts them.
#[test]
fn entries_of_lists_count_from_one() {
    file_errors_have(&[
        (
            "[[namespace]]\npattern = \"a\"\n[[namespace]]\npattern = \"b\"\n\
             history = { age = 5 }",
            "[[namespace]] 2, history.age: 5 has no unit; write \"5s\"",
        ),
        (
            "[tokens]\nkeys = [{ algorithm = \"RS\", file = \"a\" }]",
            "[[tokens.keys]] 1, algorithm: the value is not valid here",
        ),
        (
            "[cors]\norigins = [\"https://a.example\", 1]",
            "cors.origins, entry 2: 1 is not valid here",
        ),
        ("[[key]]\nname = 2026-11-30", "[[key]] 1, name: this is a date"),
    ]);
}

#[test]
fn an_example_is_one_of_the_key_itself() {
    file_errors_have(&[
        ("[cors]\norigins = \"https://a.example/\"", "as in [\"https://app.example\"]"),
        ("[hook]\non = \"connect\"", "as in [\"connect\"]"),
        ("[proxy]\ntrusted = \"10.0.0.1\"", "as in [\"10.0.0.0/8\"]"),
        ("namespace = [\"x\"]", "as in { pattern = \"news.*\" }"),
        ("key = [\"x\"]", "as in { name = \"shop\", hash = \"sha256:...\" }"),
        ("[[namespace]]\npattern = \"a\"\nhistory = 5", "as in { messages = 50, age = \"5m\" }"),
    ]);
    for (name, text, words) in [
        ("TRICAST__NAMESPACE", "x", "as in [{ pattern = \"news.*\" }]"),
        ("TRICAST__NAMESPACE", "[x", "the list does not end with ]; write [{ pattern ="),
        ("TRICAST__HOOK__ON", "[\"connect\"", "the list does not end with ]; write [\"connect\"]"),
        ("TRICAST__CORS__ORIGINS", "[x]", "or https://app.example without brackets and quotes"),
        ("TRICAST__BIND", "[::1", "the list does not end with ]"),
    ] {
        let error = variable_error(name, text).expect(text);
        assert!(error.contains(words), "{name}={text}: {error}");
    }
}
