//! Settings in the environment: `TRICAST__` and the path of a key, with two underscores between
//! section and key.
//!
//! A value that is text in gateway.toml is text here, to the last byte, even if it looks like a
//! number. A value that cannot be used as it is written is an error, never a setting that is
//! silently absent.

use std::{collections::BTreeMap, ffi::OsString};

use anyhow::Context as _;
use toml::{Table, Value};

use crate::settings::{
    REFERENCE,
    key_path::{TABLE_LISTS, variable_of},
    unknown_key::no_such_key,
    upstream_key::UpstreamKey,
    value_error::list_example,
};

/// The prefix of the path of a key.
const PREFIX: &str = "TRICAST__";

/// The prefix of a name that may be meant for us, and misspelt.
const NEAR_PREFIX: &str = "TRICAST_";

/// Keys that take one value or a list, and have one value in the reference.
const ONE_OR_MANY: &[&str] = &["bind"];

/// Keys that hold a secret or a key, or that decide who may do what and who is believed. A mistake
/// in one of them must not leave it silently off. SECURITY.md has a row for each.
pub const SECURITY_KEYS: &[&str] = &[
    "access.online",
    "access.presence",
    "access.prompt",
    "access.publish",
    "access.subscribe",
    "admin.hosts",
    "admin.token",
    "cors.origins",
    "events.secret",
    "hook.on",
    "hook.secret",
    "hook.url",
    "insecure",
    "key",
    "llm",
    "namespace",
    "proxy.fields",
    "proxy.protocol",
    "proxy.trusted",
    "tls.certificate",
    "tls.key",
    "tokens.audience",
    "tokens.cookie",
    "tokens.issuer",
    "tokens.jwks_url",
    "tokens.keys",
    "tokens.secret",
];

/// The sections that hold secrets and keys, also those that were written to a wrong place there.
const SECRET_SECTIONS: &[&str] =
    &["admin", "events", "hook", "key", "keys", "llm", "tls", "tokens"];

/// Whether the value at `path`, as in `key[0].hash`, may be a secret and must not be shown.
pub(super) fn may_hold_secret(path: &str) -> bool {
    SECRET_SECTIONS.contains(&path.split(['.', '[']).next().unwrap_or_default())
}

/// The settings in the environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The name of the variable and the value, by key.
    pub(super) values: BTreeMap<String, (String, Value)>,
    pub(super) upstream_keys: Vec<UpstreamKey>,
    pub(super) warnings: Vec<String>,
}

impl Environment {
    /// Reads the settings from `variables`; `reference` has all keys.
    ///
    /// # Errors
    /// When a variable with our prefix names no key, is set twice, or has a value that is not
    /// UTF-8; when one of [`SECURITY_KEYS`] is empty or misspelt.
    pub(super) fn read(
        reference: &Table,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Self> {
        let known = keys(reference);
        let mut environment = Self::default();
        // Sorted, so that of several mistakes the same one is reported each time.
        let variables: BTreeMap<_, _> = variables.collect();
        for (name, value) in variables {
            let shown = name.to_string_lossy().into_owned();
            let upper = shown.to_ascii_uppercase();
            if let Some(upstream) = UpstreamKey::upstream_of(&upper) {
                environment.upstream_keys.push(UpstreamKey::read(shown, upstream, value)?);
            } else if let Some(path) = upper.strip_prefix(PREFIX) {
                let key = path.to_ascii_lowercase().replace("__", ".");
                let Some(kind) = known.get(key.as_str()) else {
                    anyhow::bail!(
                        "{shown} in the environment: {}",
                        no_such_key(&key, &known, true)
                    );
                };
                let value = Self::value(&key, kind, &shown, value)?;
                if let Some((other, _)) = environment.values.insert(key, (shown.clone(), value)) {
                    anyhow::bail!(
                        "{other} and {shown} in the environment set the same key; unset one of them"
                    );
                }
            } else if let Some(words) = upper.strip_prefix(NEAR_PREFIX) {
                environment.warnings.extend(misspelt(&shown, words, &known)?);
            }
        }
        Ok(environment)
    }

    fn value(key: &str, kind: &Value, name: &str, value: OsString) -> anyhow::Result<Value> {
        let Ok(text) = value.into_string() else {
            anyhow::bail!(
                "{name} in the environment: the value is not UTF-8; a secret of other bytes can be \
                 written in base64 or hexadecimal digits; the digits are then the secret"
            );
        };
        let list = kind.is_array() || ONE_OR_MANY.contains(&key);
        // The environment overrides the file, so an empty list would remove the file's list.
        let is_empty = text.chars().all(|c| c.is_whitespace() || c == ',');
        anyhow::ensure!(
            !is_empty || !SECURITY_KEYS.contains(&key),
            "{name} in the environment is empty, which would leave {key} off; give it a value, or \
             unset it{}",
            if list { " (a list that is meant to be empty is written [])" } else { "" }
        );
        Ok(match kind {
            _ if list => Value::Array(items(&text).with_context(|| {
                format!("{name} in the environment: {key}: {}", not_a_list(key, &text))
            })?),
            Value::Integer(_) => text.trim().parse().map_or(Value::String(text), Value::Integer),
            Value::Boolean(_) => flag(&text).map_or(Value::String(text), Value::Boolean),
            _ => Value::String(text),
        })
    }
}

/// Returns the keys of `table`, as in `stream.heartbeat`, with their values.
pub(super) fn keys(table: &Table) -> BTreeMap<String, &Value> {
    let mut keys = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                let nested = self::keys(section).into_iter();
                keys.extend(nested.map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => {
                keys.insert(name.clone(), value);
            }
        }
    }
    keys
}

/// Returns the variable that sets the only key of this name, with the key.
pub(crate) fn variable_named(name: &str) -> Option<(String, String)> {
    let reference: Table = toml::from_str(REFERENCE).ok()?;
    let known = keys(&reference);
    let is_named = |key: &&String| key.rsplit('.').next() == Some(name);
    let named: Vec<_> = known.keys().filter(is_named).collect();
    let key = match &named[..] {
        _ if known.contains_key(name) => name,
        [only] => only.as_str(),
        _ => return None,
    };
    Some((key.to_owned(), variable_of(key)))
}

/// Says what is wrong with a list in brackets, and how to write it.
fn not_a_list(key: &str, text: &str) -> String {
    let fault = match text.contains(']') {
        true => "it begins and ends like a list, but it is not one in TOML",
        false => "the list does not end with ]",
    };
    let example = list_example(key);
    if TABLE_LISTS.contains(&key) {
        return format!("{fault}; write {example}");
    }
    let bare = example.trim_matches(['[', ']']).replace('"', "").replace(", ", ",");
    format!("{fault}; write {example}, or {bare} without brackets and quotes")
}

/// Reads a list as in gateway.toml, or with commas between its items. Returns `None` for brackets
/// around anything else, and for a bracket that is not closed.
fn items(text: &str) -> Option<Vec<Value>> {
    let text = text.trim();
    if text.starts_with('[') && !text.contains(']') {
        return None;
    }
    // `[::1]:8080` begins like a list, but is not one.
    if text.starts_with('[') && text.ends_with(']') {
        let mut table = format!("list = {text}").parse::<Table>().ok()?;
        let items = table.remove("list").filter(|_| table.is_empty());
        return match items {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        };
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(items.map(|item| Value::String(item.to_owned())).collect())
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Returns a warning for a variable that spells a key without the two underscores. It is an error
/// for one of [`SECURITY_KEYS`]. A variable that spells no key belongs to another program:
/// Kubernetes injects `TRICAST_PORT_8080_TCP`.
///
/// # Errors
/// When the key is one of [`SECURITY_KEYS`].
fn misspelt(
    name: &str,
    words: &str,
    known: &BTreeMap<String, &Value>,
) -> anyhow::Result<Option<String>> {
    let fold = |text: &str| -> Vec<String> {
        let words = text.split(['_', '.']).filter(|word| !word.is_empty());
        words.map(str::to_ascii_lowercase).collect()
    };
    let words = fold(words);
    if let [list, upstream @ .., last] = &words[..]
        && (list, last) == (&"llm".to_owned(), &"key".to_owned())
        && !upstream.is_empty()
    {
        let upstream = upstream.join("_").to_ascii_uppercase();
        anyhow::bail!(
            "{name} in the environment is not read; write {PREFIX}LLM__{upstream}__KEY, with two \
             underscores, or unset it"
        );
    }
    let Some(key) = known.keys().find(|key| fold(key) == words) else { return Ok(None) };
    let right = format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"));
    let hint = match key.as_str() {
        "key" => " (with the hash of the key, as `tricast key` prints it, and not the key)",
        _ => "",
    };
    anyhow::ensure!(
        !SECURITY_KEYS.contains(&key.as_str()),
        "{name} in the environment is not read; write {right}{hint}, with two underscores, or \
         unset it"
    );
    Ok(Some(format!(
        "{name} in the environment is not read; if you mean {key}, write {right}, with two \
         underscores"
    )))
}
