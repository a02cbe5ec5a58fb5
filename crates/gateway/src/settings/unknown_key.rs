//! Keys that do not exist, with those that were probably meant.

use std::collections::BTreeMap;

use toml::Value;

use crate::settings::key_path::variable_of;

/// The least similarity of a key that is proposed in place of an unknown one.
const MIN_SIMILARITY: f64 = 0.9;

/// Keys that exist only in the entries of a list.
const ENTRY_KEYS: &[(&str, &[&str])] = &[
    ("tokens.keys", &["algorithm", "file", "id"]),
    ("key", &["name", "hash"]),
    ("namespace", &["pattern"]),
    ("llm", &["url", "models", "first_token", "fallback"]),
];

/// The end of a message that cannot be more precise.
const ALL: &str = "gateway.toml lists all settings";

/// Says that there is no setting `key`, which the file has or, if `is_variable`, a variable;
/// `known` has all keys.
pub(super) fn no_such_key(
    key: &str,
    known: &BTreeMap<String, &Value>,
    is_variable: bool,
) -> String {
    if let Some(example) = keys_of(key, known).next() {
        let variable = variable_of(example);
        return format!("{key} is a section; name a key in it, as in {variable} ({ALL})");
    }
    if known.contains_key(key) {
        return format!("write {key} without quotes around the whole ({ALL})");
    }
    let none = format!("there is no setting {}", shown(key));
    match &meant(key, known)[..] {
        [] => format!("{none}; {}", place_of(key, known)),
        [only] if is_variable && known.contains_key(*only) => {
            format!("{none}; do you mean {only}? Write {}; {ALL}", variable_of(only))
        }
        // In TOML a key belongs to the section above it.
        [only] if key.contains('.') && !only.contains('.') && known.contains_key(*only) => {
            format!(
                "{none}; do you mean {only}? A key without a section has to be above the first \
                 section; {ALL}"
            )
        }
        [only] => format!("{none}; do you mean {only}? {ALL}"),
        [most @ .., last] => format!("{none}; do you mean {} or {last}? {ALL}", most.join(", ")),
    }
}

/// Returns the keys that were probably meant by `key`.
fn meant<'a>(key: &str, known: &'a BTreeMap<String, &Value>) -> Vec<&'a str> {
    let named = |name: &str| -> Vec<&'a str> {
        let is_named = |known: &&'a str| known.rsplit('.').next() == Some(name);
        known.keys().map(String::as_str).filter(is_named).collect()
    };
    let Some((section, name)) = key.rsplit_once('.') else {
        return first_found(named(key), || alike(key, known));
    };
    // In a section that exists, a name from elsewhere is more probable than a slip.
    match keys_of(section, known).next() {
        Some(_) => first_found(named(name), || alike(key, known)),
        None => first_found(alike(key, known), || named(name)),
    }
}

fn first_found<'a>(first: Vec<&'a str>, second: impl FnOnce() -> Vec<&'a str>) -> Vec<&'a str> {
    if first.is_empty() { second() } else { first }
}

/// Returns the key or section that is spelled most like `key`, if it is alike enough.
fn alike<'a>(key: &str, known: &'a BTreeMap<String, &Value>) -> Vec<&'a str> {
    let sections = known.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section);
    let similarity = |known: &&str| strsim::jaro_winkler(key, known);
    let candidates = known.keys().map(String::as_str).chain(sections);
    let closest = candidates.max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    closest.filter(|closest| similarity(closest) > MIN_SIMILARITY).into_iter().collect()
}

/// Says where to look for a key that is like no other.
fn place_of(key: &str, known: &BTreeMap<String, &Value>) -> String {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    if let Some((list, _)) = ENTRY_KEYS.iter().find(|(_, names)| names.contains(&name)) {
        return format!("do you mean {name} in an entry of [[{list}]]? {ALL}");
    }
    let keys: Vec<_> = keys_of(section, known).filter_map(|key| key.rsplit('.').next()).collect();
    match &keys[..] {
        [most @ .., last] if !most.is_empty() => {
            format!("[{section}] has {} and {last}", most.join(", "))
        }
        _ => ALL.to_owned(),
    }
}

/// Returns the keys of `section`.
fn keys_of<'a>(
    section: &str,
    known: &'a BTreeMap<String, &Value>,
) -> impl Iterator<Item = &'a str> {
    let keys = known.keys().map(String::as_str);
    keys.filter(move |key| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
}

/// Quotes a key that is not written like one.
fn shown(key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !key.is_empty() && key.chars().all(is_plain) { key.to_owned() } else { format!("{key:?}") }
}
