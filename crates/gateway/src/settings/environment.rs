//! Settings in the environment: `TRICAST__` and the path of a key, sections joined by two underscores.
//!
//! What is text in gateway.toml is text here, to the last byte: nothing is taken for a number because it looks like one. A value that
//! cannot be taken as it is is an error, never a setting that is silently not there.

use std::{collections::BTreeMap, ffi::OsString};

use toml::{Table, Value};

/// What stands before the path of a key.
const PREFIX: &str = "TRICAST__";

/// What a name has to begin with to be ours, maybe misspelt.
const NEAR_PREFIX: &str = "TRICAST_";

/// Keys that take one or a list, and are one in the reference.
const ONE_OR_MANY: &[&str] = &["bind"];

/// Keys that hold a secret or a key, or say who may do what and whose word counts: a mistake in one of them must not leave it silently
/// off. SECURITY.md has a row for each.
pub const SECURITY_KEYS: &[&str] = &[
    "access.online",
    "access.presence",
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

/// Where secrets and keys are, also those that were meant for another place there.
const SECRET_SECTIONS: &[&str] = &["admin", "events", "hook", "key", "keys", "tls", "tokens"];

/// Whether the value at this place, as in `key[0].hash`, may be a secret and is shown to nobody.
pub(super) fn may_hold_secret(path: &str) -> bool {
    SECRET_SECTIONS.contains(&path.split(['.', '[']).next().unwrap_or_default())
}

/// How much a name has to be like another to be proposed for it.
const MIN_SIMILARITY: f64 = 0.9;

/// What the environment sets.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// By key: the name of the variable, and the value.
    pub(super) values: BTreeMap<String, (String, Value)>,
    pub(super) warnings: Vec<String>,
}

impl Environment {
    /// # Errors
    /// When a variable of ours names no key, is set twice, or its value is not UTF-8 or is empty where that would leave a secret or an
    /// access rule off; and when one that is a guard's is misspelt.
    pub(super) fn read(
        reference: &Table,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Self> {
        let known = keys(reference);
        let mut environment = Self::default();
        // In an order of their own, so that of several mistakes the same is told each time.
        let variables: BTreeMap<_, _> = variables.collect();
        for (name, value) in variables {
            let shown = name.to_string_lossy().into_owned();
            let upper = shown.to_ascii_uppercase();
            if let Some(path) = upper.strip_prefix(PREFIX) {
                let key = path.to_ascii_lowercase().replace("__", ".");
                let Some(kind) = known.get(key.as_str()) else {
                    anyhow::bail!("{shown} in the environment: {}", no_such_key(&key, &known));
                };
                let value = Self::value(&key, kind, &shown, value)?;
                if let Some((other, _)) = environment.values.insert(key, (shown.clone(), value)) {
                    anyhow::bail!(
                        "{other} and {shown} in the environment are one key; unset one of them"
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
                "{name} in the environment: the value is not UTF-8; a secret of other bytes can be written in base64 or \
                 hexadecimal digits, and counts as it is written"
            );
        };
        let list = kind.is_array() || ONE_OR_MANY.contains(&key);
        // The environment wins, so that an empty list would take away what a file says.
        let is_empty = text.chars().all(|c| c.is_whitespace() || c == ',');
        anyhow::ensure!(
            !is_empty || !SECURITY_KEYS.contains(&key),
            "{name} in the environment is empty, which would leave {key} off; give it a value, or unset it{}",
            if list { " (a list that is meant to be empty is written [])" } else { "" }
        );
        Ok(match kind {
            _ if list => Value::Array(items(&text)),
            Value::Integer(_) => text.trim().parse().map_or(Value::String(text), Value::Integer),
            Value::Boolean(_) => flag(&text).map_or(Value::String(text), Value::Boolean),
            _ => Value::String(text),
        })
    }
}

/// The keys of `table`, as in `stream.heartbeat`, with what they are in it.
fn keys(table: &Table) -> BTreeMap<String, &Value> {
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

/// A list as in gateway.toml, or with a comma between its items.
fn items(text: &str) -> Vec<Value> {
    // `[::1]:8080` begins like a list.
    if text.trim_start().starts_with('[')
        && let Ok(mut table) = format!("list = {text}").parse::<Table>()
        && let Some(Value::Array(items)) = table.remove("list")
        && table.is_empty()
    {
        return items;
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| Value::String(item.to_owned())).collect()
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A variable that spells a key, but not as variables do. A guard's is an error; another's a warning, because it may be somebody else's.
/// What spells no key is somebody else's: Kubernetes injects `TRICAST_PORT_8080_TCP`.
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
    let Some(key) = known.keys().find(|key| fold(key) == words) else { return Ok(None) };
    let right = format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"));
    let hint = match key.as_str() {
        "key" => " (with the hash of the key in it, as `tricast key` prints it, and not the key)",
        _ => "",
    };
    anyhow::ensure!(
        !SECURITY_KEYS.contains(&key.as_str()),
        "{name} in the environment is not read; write {right}{hint}, with two underscores, or unset it"
    );
    Ok(Some(format!(
        "{name} in the environment is not read; if {key} is meant, write {right}, with two underscores"
    )))
}

fn no_such_key(key: &str, known: &BTreeMap<String, &Value>) -> String {
    let all = "gateway.toml has all of them";
    if known.keys().any(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))) {
        return format!(
            "{key} is a section; name a key in it, as in TRICAST__STREAM__HEARTBEAT ({all})"
        );
    }
    let alike = |known: &str| strsim::jaro_winkler(key, known);
    let closest = known.keys().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    match closest.filter(|closest| alike(closest) > MIN_SIMILARITY) {
        Some(closest) => format!("there is no setting {key}; is {closest} meant? {all}"),
        None => format!("there is no setting {key:?}; {all}"),
    }
}
