//! The text of a settings file with one `[[key]]` more.

use std::path::Path;

use anyhow::Context as _;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Value};

use crate::settings::{Key, Settings};

/// The mark that some editors write at the beginning of UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A settings file to which a key has been added.
#[derive(Debug)]
pub(crate) struct KeyAddition {
    pub(crate) text: String,
    /// An error in the settings that was there before, maybe because the environment of a shell is
    /// not that of the service.
    pub(crate) remaining_error: Option<String>,
}

impl KeyAddition {
    /// Adds `key` to the settings in `bytes`, the contents of `path`.
    ///
    /// # Errors
    /// When the settings are invalid, have a key of that name, or would be invalid with the key.
    pub(crate) fn of(path: &Path, bytes: &[u8], key: &Key) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let without_environment =
            |bytes: &[u8]| Settings::assemble(Some((path, bytes)), std::iter::empty());
        let before = without_environment(bytes)
            .context("correct the settings first; nothing was added")?
            .settings;
        anyhow::ensure!(
            before.key.iter().all(|other| other.name != key.name),
            "{}: there is already a key {:?}; choose another --name, or remove that [[key]] first",
            named(),
            key.name
        );
        let text = std::str::from_utf8(bytes)?;
        let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let text = match text.parse::<DocumentMut>().with_context(named)? {
            // `key = []`, as in gateway.toml: such a list cannot be extended by [[key]].
            mut document if document.get("key").is_some_and(Item::is_value) => {
                let list = document["key"].as_array_mut().with_context(named)?;
                list.push(Value::InlineTable(inline_table(key)));
                // The library removes a byte order mark, and all carriage returns.
                let byte_order_mark =
                    if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK } else { "" };
                format!("{byte_order_mark}{}", document.to_string().replace('\n', line_end))
            }
            _ => {
                let more = format!("{}{}", separator(text), key_block(key));
                format!("{text}{}", more.replace('\n', line_end))
            }
        };
        let after = without_environment(text.as_bytes())?.settings;
        Key::check_names(&after.key)?;
        let names = |settings: &Settings| settings.key.len();
        anyhow::ensure!(
            names(&after) == names(&before) + 1,
            "{}: a key cannot be added to this file",
            named()
        );
        let load_error = |bytes: &[u8]| {
            let loaded = Settings::from_layers(Some((path, bytes)), std::env::vars_os());
            loaded.err().map(|error| format!("{error:#}"))
        };
        // An error that was there before is not caused by the key.
        let (before, remaining_error) = (load_error(bytes), load_error(text.as_bytes()));
        if let (None, Some(error)) = (before, &remaining_error) {
            anyhow::bail!(
                "with this key the settings would be invalid; nothing was added: {error}"
            );
        }
        Ok(Self { text, remaining_error })
    }
}

/// Returns the `[[key]]` to put at the end of a settings file.
pub(crate) fn key_block(key: &Key) -> String {
    let fields: String =
        fields(key).into_iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    format!("[[key]]\n{fields}")
}

fn inline_table(key: &Key) -> InlineTable {
    fields(key).into_iter().collect()
}

fn fields(key: &Key) -> Vec<(&'static str, Value)> {
    let list = |patterns: &[tricast_core::ChannelPattern]| {
        patterns.iter().map(|pattern| pattern.as_str()).collect::<Array>().into()
    };
    let mut fields: Vec<(_, Value)> = vec![
        ("name", key.name.as_str().into()),
        ("hash", key.hash.to_string().into()),
        ("publish", list(&key.publish)),
        ("subscribe", list(&key.subscribe)),
    ];
    if !key.prompt.is_empty() {
        fields.push(("prompt", list(&key.prompt)));
    }
    if let Some(models) = &key.models {
        fields.push(("models", models.iter().collect::<Array>().into()));
    }
    fields
}

/// Returns the line ends that put an empty line after `text`.
fn separator(text: &str) -> &'static str {
    match text {
        "" => "",
        text if text.ends_with("\n\n") || text.ends_with("\n\r\n") => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    }
}

#[cfg(test)]
mod tests {
    use tricast_admission::NewKey;

    use super::*;

    fn key(name: &str) -> Key {
        let hash = NewKey::generate().expect("chance").hash;
        let publish =
            vec!["orders.*".parse().expect("a pattern"), "@*".parse().expect("a pattern")];
        Key {
            name: name.to_owned(),
            hash,
            subscribe: Vec::new(),
            publish,
            prompt: vec!["@*".parse().expect("a pattern")],
            models: None,
        }
    }

    fn add(text: &str, name: &str) -> Result<String, String> {
        let added = KeyAddition::of(Path::new("a.toml"), text.as_bytes(), &key(name));
        added.map(|added| added.text).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_key_is_added_to_whatever_form_the_list_has() {
        let hash = format!("sha256:{}", "0".repeat(64));
        for text in [
            String::new(),
            "dashboard = \"off\"".to_owned(),
            "# a comment\n[history] # another\nmessages = 5\n".to_owned(),
            format!("[[key]]\nname = \"a\"\nhash = \"{hash}\"\n\n[tokens]\naudience = \"x\"\n"),
            format!(
                "key = [{{ name = \"a\", hash = \"{hash}\" }}] # mine\n[history]\nage = \"2h\"\n"
            ),
            super::super::REFERENCE.to_owned(),
            super::super::REFERENCE.replace('\n', "\r\n"),
            "[history]\r\nmessages = 5\r\n".to_owned(),
            format!("\u{feff}{}", super::super::REFERENCE),
        ] {
            let once = add(&text, "shop").expect(&text);
            let twice = add(&once, "shop2").expect(&once);
            let before = Settings::from_toml(&text).expect("is good");
            let after = Settings::from_toml(&twice).expect("is good");
            let names: Vec<_> = after.key.iter().map(|key| key.name.as_str()).collect();
            assert!(names.ends_with(&["shop", "shop2"]), "{names:?}");
            assert_eq!(names.len(), before.key.len() + 2);
            assert_eq!(twice.contains('\r'), text.contains('\r'));
            assert_eq!(
                twice.matches('\n').count() == twice.matches("\r\n").count(),
                text.contains('\r')
            );
            assert_eq!(twice.starts_with(BYTE_ORDER_MARK), text.starts_with(BYTE_ORDER_MARK));
            let comments = |text: &str| text.matches('#').count();
            assert_eq!(comments(&twice), comments(&text), "{twice}");
            let shop = &after.key[names.len() - 2];
            assert_eq!(
                shop.publish.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
                ["orders.*", "@*"]
            );
            // Everything else is unchanged.
            let others = Settings { key: Vec::new(), ..after };
            let value = |settings: Settings| serde_json::to_value(settings).expect("JSON");
            assert_eq!(value(others), value(Settings { key: Vec::new(), ..before }));
        }
    }

    #[test]
    fn what_would_not_be_good_is_refused() {
        let hash = format!("sha256:{}", "0".repeat(64));
        let shop = format!("[[key]]\nname = \"shop\"\nhash = \"{hash}\"\n");
        for (text, name, word) in [
            (shop.as_str(), "shop", "already"),
            ("", "two words", "key.name"),
            ("", "", "key.name"),
            ("nonsense = 1", "shop", "nonsense"),
            ("[history\n", "shop", "line 1"),
            ("[history]\nage = 5", "shop", "history.age"),
            // Valid on its own, but not with a key.
            ("key = 5", "shop", "key"),
        ] {
            let error = add(text, name).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(KeyAddition::of(Path::new("a"), b"\xff", &key("shop")).is_err());
    }
}
