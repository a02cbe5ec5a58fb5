//! Names of keys in errors.

/// The lists whose entries are tables.
pub(super) const TABLE_LISTS: &[&str] = &["key", "llm", "namespace", "tokens.keys"];

/// Names the key at `path`, as in `namespace[0].subscribe`, for people: entries count from 1, as
/// `tricast check --channel` counts them.
pub(super) fn key_name(path: &str) -> String {
    let parts = path
        .split_once('[')
        .and_then(|(list, rest)| Some((list, rest.split_once(']')?)))
        .and_then(|(list, (index, rest))| Some((list, index.parse::<usize>().ok()?, rest)));
    let Some((list, index, rest)) = parts else { return path.to_owned() };
    let entry = match TABLE_LISTS.contains(&list) {
        true => format!("[[{list}]] {}", index + 1),
        false => format!("{list}, entry {}", index + 1),
    };
    match rest.strip_prefix('.') {
        Some(field) => format!("{entry}, {}", key_name(field)),
        None => entry,
    }
}

/// Returns the name of the variable that sets `key`.
pub(super) fn variable_of(key: &str) -> String {
    format!("TRICAST__{}", key.to_ascii_uppercase().replace('.', "__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_count_from_one() {
        for (path, name) in [
            ("stream.heartbeat", "stream.heartbeat"),
            ("namespace[0]", "[[namespace]] 1"),
            ("namespace[1].history.age", "[[namespace]] 2, history.age"),
            ("tokens.keys[0].file", "[[tokens.keys]] 1, file"),
            ("key[0].publish[2]", "[[key]] 1, publish, entry 3"),
            ("cors.origins[1]", "cors.origins, entry 2"),
        ] {
            assert_eq!(key_name(path), name);
        }
    }
}
