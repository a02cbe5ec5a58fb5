//! The class of each key, and what a reload reports.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::settings::REFERENCE;

/// The documentation of what takes effect when.
const DOCUMENT: &str = include_str!("../../../../../docs/operations.md");

/// Values in TOML: each key accepts one of them, other than its default.
const VALUES: &[&str] = &[
    "true",
    "false",
    "77",
    "\"77s\"",
    "\"77MiB\"",
    "\"127.0.0.1:77\"",
    "\"off\"",
    "\"epoll\"",
    "\"nobody\"",
    "\"disconnect\"",
    "\"forwarded\"",
    "\"json\"",
    "\"text-of-seventy-seven-letters\"",
    "\"memory\"",
    "[\"connect\"]",
    "[\"gone\"]",
    "[\"192.0.2.77\"]",
    "[{ algorithm = \"HS256\", file = \"key.pem\" }]",
    "[{ name = \"shop\", hash = \"sha256:HASH\" }]",
    "[{ pattern = \"chat\" }]",
    "\"anyone\"",
    "\"cancel\"",
    "\"queue\"",
    "[{ name = \"main\", url = \"https://llm.example/v1\" }]",
];

fn settings(text: &str) -> Settings {
    Settings::from_toml(text).expect("is good")
}

/// The keys of gateway.toml, as in `stream.heartbeat`.
fn keys() -> Vec<String> {
    let reference: Value = toml::from_str(REFERENCE).expect("is TOML");
    let mut keys = Vec::new();
    for (name, value) in reference.as_object().expect("a table") {
        match value.as_object() {
            Some(section) => keys.extend(section.keys().map(|key| format!("{name}.{key}"))),
            None => keys.push(name.clone()),
        }
    }
    keys
}

/// Sets `key` to each value that it accepts until the settings differ from `before`.
fn change(before: &Settings, key: &str) -> Reload {
    let mut reloads = VALUES.iter().filter_map(|value| {
        let line = format!("{key} = {}", value.replace("HASH", &"7".repeat(64)));
        let file = Some((std::path::Path::new("changed.toml"), line.as_bytes()));
        let after = Settings::assemble(file, std::iter::empty()).ok()?.settings;
        let reload = before.reload(after);
        (!reload.applied.is_empty() || !reload.needs_restart.is_empty()).then_some(reload)
    });
    reloads.next().unwrap_or_else(|| panic!("{key} accepts none of the values"))
}

#[test]
fn what_can_change_changes_and_the_rest_is_named() {
    let before = settings("[tokens]\nsecret = \"0123456789abcdef0123456789abcdef\"");
    let after = "shards = 3\n[tokens]\nsecret = \"fedcba9876543210fedcba9876543210\"\n\
                 [limits]\nconnections = 7\nchannels = 9\n[logging]\nlevel = \"debug\"\n\
                 [[namespace]]\npattern = \"a\"\npresence = true";
    let reload = before.reload(settings(after));
    assert_eq!(
        reload.applied,
        ["limits.connections", "logging.level", "namespace", "tokens.secret"]
    );
    assert_eq!(reload.needs_restart, ["limits.channels", "shards", "namespace.presence"]);
    assert_eq!((reload.settings.limits.connections, reload.settings.limits.channels), (7, 200_000));
    let same = before.reload(before.clone());
    assert!(same.applied.is_empty() && same.needs_restart.is_empty(), "{same:?}");
}

#[test]
fn every_key_changes_at_once_or_waits_for_a_restart() {
    let before = settings("");
    let (mut live, mut waiting) = (BTreeSet::new(), BTreeSet::new());
    for key in keys() {
        let Reload { settings, applied, needs_restart } = change(&before, &key);
        // The settings in force have the new value only if it is live.
        let again = before.reload(settings).applied;
        match (&applied[..], &needs_restart[..]) {
            ([only], []) if *only == key && again == applied => live.insert(key),
            ([], [only]) if *only == key && again.is_empty() => waiting.insert(key),
            _ => panic!("{key}: {applied:?} at once, {needs_restart:?} after a restart"),
        };
    }
    let documented = documented(&live.union(&waiting).cloned().collect());
    assert_eq!((live, waiting), documented, "docs/operations.md says otherwise");
}

/// The keys that docs/operations.md names as live, and those that wait for a restart.
fn documented(all: &BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    let table = DOCUMENT.split("| at once | after a restart |").nth(1).expect("has the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let (mut live, mut waiting) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        live.extend(keys_named_in(cells[1], all));
        waiting.extend(keys_named_in(cells[2], all));
    }
    // A section whose other keys are named one by one.
    let live = live.difference(&waiting).cloned().collect();
    (live, waiting)
}

fn keys_named_in(cell: &str, all: &BTreeSet<String>) -> Vec<String> {
    let names = cell.split('`').skip(1).step_by(2);
    let keys = |name: &str| {
        let section = name.trim_matches(['[', ']']).to_owned();
        let prefix = format!("{section}.");
        let is_named = move |key: &&String| **key == section || key.starts_with(&prefix);
        all.iter().filter(is_named).cloned().collect::<Vec<_>>()
    };
    names.flat_map(keys).collect()
}
