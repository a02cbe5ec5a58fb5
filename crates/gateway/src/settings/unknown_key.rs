//! Keys that do not exist, with those that were probably meant.

use std::collections::BTreeMap;

use toml::Value;

/// The least similarity of a key that is proposed in place of an unknown one.
const MIN_SIMILARITY: f64 = 0.9;

/// Says that there is no setting `key`; `known` has all keys.
pub(super) fn no_such_key(key: &str, known: &BTreeMap<String, &Value>) -> String {
    let all = "gateway.toml lists all settings";
    let in_section =
        |known: &&String| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
    if let Some(example) = known.keys().find(in_section) {
        let variable = example.to_ascii_uppercase().replace('.', "__");
        return format!("{key} is a section; name a key in it, as in TRICAST__{variable} ({all})");
    }
    if known.contains_key(key) {
        return format!("write {key} without quotes around the whole ({all})");
    }
    let without_section = format!(".{key}");
    let mut meant: Vec<&str> = known
        .keys()
        .filter(|known| known.ends_with(&without_section))
        .map(String::as_str)
        .collect();
    if meant.is_empty() {
        let sections =
            known.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section);
        let alike = |known: &&str| strsim::jaro_winkler(key, known);
        let candidates = known.keys().map(String::as_str).chain(sections);
        let closest = candidates.max_by(|one, other| alike(one).total_cmp(&alike(other)));
        meant.extend(closest.filter(|closest| alike(closest) > MIN_SIMILARITY));
    }
    match &meant[..] {
        [] => format!("there is no setting {key:?}; {all}"),
        [only] => format!("there is no setting {key}; do you mean {only}? {all}"),
        [most @ .., last] => {
            let most = most.join(", ");
            format!("there is no setting {key}; do you mean {most} or {last}? {all}")
        }
    }
}
