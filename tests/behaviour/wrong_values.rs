//! Wrong values: whatever is written for a key, the error names it in the words of gateway.toml.

use std::{ffi::OsString, path::Path};

use tricast::settings::Settings;

/// Values in TOML: for each key most of them are of a wrong type, or out of range.
const WRONG: &[&str] = &[
    "true",
    "15",
    "-1",
    "1.5",
    "99999999999999999",
    "\"nonsense\"",
    "\"\"",
    "\"0s\"",
    "\"15\"",
    "\"999999999h\"",
    "\"true\"",
    "[]",
    "[1]",
    "[\"x\"]",
    "[[]]",
    "[{}]",
    "{}",
    "{ a = 1 }",
    "2026-11-30",
];

/// Values of variables.
const WRONG_TEXTS: &[&str] = &[
    "true",
    "15",
    "-1",
    "1.5",
    "99999999999999999999999",
    "nonsense",
    "",
    "0s",
    "999999999h",
    "[]",
    "[1]",
    "[\"x\"]",
    "[\"x\"",
    "[x]",
    "{}",
];

/// Words of the library and of Rust, and figures that nobody writes.
const FORBIDDEN: &[&str] = &[
    "enum",
    "variant",
    "untagged",
    "struct",
    "invalid type",
    "invalid value",
    "did not match",
    "usize",
    "u32",
    "u64",
    "sequence",
    "map ",
    "newtype",
    "floating point",
    "parsable",
    "path string",
    "syntax",
    "element",
    "unknown field",
    "missing field",
    "0ns",
    "86400s",
    "18446744073709551615",
];

/// Where else keys are: in the entries of lists.
const ENTRIES: &[(&str, &[&str])] = &[
    ("key", &["name", "hash", "publish", "subscribe"]),
    (
        "namespace",
        &[
            "pattern",
            "subscribe",
            "publish",
            "online",
            "presence",
            "slow_reader",
            "subscribers",
            "messages_per_second",
            "history",
            "history.messages",
            "history.bytes",
            "history.age",
        ],
    ),
    ("tokens.keys", &["algorithm", "file", "id"]),
];

fn keys() -> Vec<String> {
    let settings = Settings::from_toml("").expect("are good");
    let settings = serde_json::to_value(settings).expect("are JSON");
    let mut keys = Vec::new();
    for (name, value) in settings.as_object().expect("are a table") {
        match value.as_object() {
            Some(section) => keys.extend(section.keys().map(|key| format!("{name}.{key}"))),
            None => keys.push(name.clone()),
        }
    }
    keys
}

pub(crate) fn file_error(text: &str) -> Option<String> {
    let file = Some((Path::new("a.toml"), text.as_bytes()));
    Settings::from_layers(file, std::iter::empty()).err().map(|error| format!("{error:#}"))
}

pub(crate) fn variable_error(name: &str, text: &str) -> Option<String> {
    let variable = (OsString::from(name), OsString::from(text));
    let loaded = Settings::from_layers(None, std::iter::once(variable));
    loaded.err().map(|error| format!("{error:#}"))
}

fn is_in_words_of_settings(error: &str, what: &str) {
    for word in FORBIDDEN {
        assert!(!error.contains(word), "{what}: {word:?} in: {error}");
    }
    // `namespace[0]pattern`
    let after_bracket = error.split(']').skip(1).filter_map(|rest| rest.chars().next());
    assert!(!after_bracket.into_iter().any(|c| c.is_ascii_alphabetic()), "{what}: {error}");
}

#[test]
fn a_wrong_value_of_any_key_is_named_in_the_words_of_the_settings() {
    let mut wrong = 0;
    for key in keys() {
        let own_name = key.rsplit('.').next().unwrap_or(&key);
        for value in WRONG {
            let what = format!("{key} = {value}");
            let Some(error) = file_error(&what) else { continue };
            assert!(error.contains(own_name), "{what}: {error}");
            is_in_words_of_settings(&error, &what);
            wrong += 1;
        }
        let name = format!("TRICAST__{}", key.to_ascii_uppercase().replace('.', "__"));
        for text in WRONG_TEXTS {
            let what = format!("{name}={text}");
            let Some(error) = variable_error(&name, text) else { continue };
            assert!(error.contains(own_name), "{what}: {error}");
            is_in_words_of_settings(&error, &what);
            wrong += 1;
        }
    }
    for (list, fields) in ENTRIES {
        for field in *fields {
            for value in WRONG {
                let what = format!("[[{list}]]\n{field} = {value}");
                let Some(error) = file_error(&what) else { continue };
                is_in_words_of_settings(&error, &what);
                wrong += 1;
            }
        }
    }
    for section in ["stream", "tokens", "limits", "admin"] {
        for value in WRONG {
            let what = format!("{section} = {value}");
            let Some(error) = file_error(&what) else { continue };
            assert!(error.contains(section), "{what}: {error}");
            is_in_words_of_settings(&error, &what);
        }
    }
    assert!(wrong > 2000, "only {wrong} of the values are wrong");
}

#[test]
fn an_error_says_what_to_write_in_the_units_of_the_settings() {
    for (text, words) in [
        ("[stream]\nheartbeat = 15", "stream.heartbeat: 15 has no unit; write \"15s\""),
        ("[stream]\nheartbeat = \"15\"", "stream.heartbeat: 15 has no unit; write \"15s\""),
        ("[stream]\nheartbeat = \"0s\"", "stream.heartbeat: from 10ms to 24h, not 0s"),
        (
            "[stream]\nheartbeat = \"soon\"",
            "\"soon\" is not valid here; write a number and its unit",
        ),
        ("[publish]\nidempotency_window = \"0s\"", "from 1ms to 30d, not 0s"),
        ("[hook]\ntimeout = \"90s\"", "hook.timeout: from 10ms to 1m, not 90s"),
        ("[limits]\nhead_bytes = 15", "limits.head_bytes: from 8KiB to 16MiB, not 15"),
        ("[limits]\nbody_memory = 15", "limits.body_memory: at least 1MiB (limits.message_bytes"),
        ("[limits]\nmessage_bytes = \"1XB\"", "a number of bytes, or a size as in \"64KiB\""),
        ("[rates]\nbytes_per_user = 15", "0, or from 1MiB (limits.message_bytes) to 4GiB, not 15"),
        ("[history]\nmessages = \"1000\"", "a whole number from 0, without quotes"),
        (
            "insecure = \"true\"",
            "insecure: \"true\" is not valid here; write true or false, without",
        ),
        (
            "dashboard = true",
            "dashboard: true is not valid here; write \"auto\", \"on\" or \"off\"",
        ),
        ("base_path = 5", "base_path: 5 is not valid here; write text in quotes"),
        ("stream = 5", "stream: this is a section; write [stream], and its keys below it"),
        ("[[stream]]\nheartbeat = \"1s\"", "stream: this is a section"),
        ("[namespace]\npattern = \"a\"", "write [[namespace]] and its keys below it"),
        (
            "[[namespace]]\nsubscribe = \"all\"",
            "[[namespace]] 1, subscribe: \"all\" is not valid here; \
            write \"anyone\", \"token\", \"backend\" or \"nobody\"",
        ),
        (
            "[[namespace]]\npattern = \"a\"\nnope = 1",
            "no setting nope in [[namespace]] 1; there are pattern",
        ),
        ("[[key]]\nname = \"a\"", "[[key]] 1: hash is missing"),
        (
            "[admin]\nbind = \"9464\"",
            "admin.bind: the value is not valid here; write an IP address \
            and a port, as in \"127.0.0.1:9464\"",
        ),
        (
            "[tokens]\naudience = 2026-11-30",
            "tokens.audience: this is a date, which no setting takes; text needs quotes",
        ),
        ("heartbeat = \"15s\"", "no setting heartbeat; do you mean stream.heartbeat?"),
        ("[strem]\na = 1", "no setting strem; do you mean stream?"),
    ] {
        let error = file_error(text).expect(text);
        assert!(error.contains(words), "{text}: {error}");
        assert!(error.starts_with("a.toml: "), "{text}: {error}");
    }
    for (name, text, words) in [
        ("TRICAST__STREAM__HEARTBEAT", "15", "stream.heartbeat: 15 has no unit; write 15s"),
        ("TRICAST__STREAM__HEARTBEAT", "", "it is empty; write a number and its unit, as in 15s"),
        ("TRICAST__STREAM__HEARTBEAT", "0s", "from 10ms to 24h, not 0s"),
        ("TRICAST__SHARDS", "many", "\"many\" is not valid here; write a whole number from 0"),
        ("TRICAST__SHARDS", "900", "shards: from 0 to 256"),
        ("TRICAST__DASHBOARD", "yes", "\"yes\" is not valid here; write auto, on or off"),
        ("TRICAST__BIND", "8080", "\"8080\" is not an address to listen on"),
        ("TRICAST__BIND", "", "name an address to listen on"),
        ("TRICAST__CORS__ORIGINS", "[\"https://a.example, \"b\"]", "begins and ends like a list"),
        ("TRICAST__CORS__ORIGINS", "[https://a.example]", "begins and ends like a list"),
        ("TRICAST__HOOK__ON", "always", "write connect, subscribe, publish or prompt"),
    ] {
        let error = variable_error(name, text).expect(text);
        let origin = format!("{name} in the environment: ");
        assert!(error.contains(words) && error.starts_with(&origin), "{name}={text}: {error}");
    }
}
