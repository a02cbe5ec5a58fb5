//! The fields of a command, read strictly: an unknown or repeated field is refused by its name.

use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tricast_core::{BadSince, Kind, MessageId, Problem, Start};

use crate::kinds;

/// The end of an error about a command that is no object.
const EXAMPLE: &str = r#"as in {"data":"hello"}"#;

/// The problem's kind and detail for a command that is refused.
pub(crate) type FieldError = (Kind, String);

/// The fields of a command in order. In a map, a repeated field would silently replace the first.
pub(crate) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, FieldError> {
        // As before any other JSON (RFC 8259 §8.1), a byte order mark is dropped.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                (kinds::BAD_COMMAND, format!("a command must be a JSON object, {EXAMPLE}"))
            }
            _ => (
                Kind::BadJson,
                format!("the command is not JSON: {error}; write an object, {EXAMPLE}"),
            ),
        })
    }

    /// Refuses fields that are not `known`, and those that are repeated.
    pub(crate) fn allow_only(&self, known: &[&str]) -> Result<(), FieldError> {
        let names = || self.0.iter().map(|(name, _)| name.as_str());
        if let Some(unknown) = names().find(|name| !known.contains(name)) {
            let is_count = ["limit", "count", "last", "tail", "n"].contains(&unknown);
            let hint = if is_count && known.contains(&"since") {
                "\"since\":5 asks for the newest 5 messages; "
            } else {
                ""
            };
            let known = known.join(", ");
            let detail = format!("unknown field {unknown:?}; {hint}this command takes {known}");
            return Err((kinds::UNKNOWN_FIELD, detail));
        }
        match known.iter().find(|known| names().filter(|name| name == *known).count() > 1) {
            Some(twice) => {
                Err((kinds::BAD_COMMAND, format!("field {twice:?} is given twice; give it once")))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| *value)
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, FieldError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        serde_json::from_str(value.get())
            .map(Some)
            .map_err(|_| (kinds::BAD_COMMAND, format!("\"{name}\" must be a string")))
    }

    pub(crate) fn parsed<T: FromStr<Err: Problem>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, FieldError> {
        let text = self.string(name)?;
        text.map(|text| text.parse()).transpose().map_err(|error| field_error(name, &error))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, FieldError> {
        match self.get(name).map(RawValue::get) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err((kinds::BAD_COMMAND, format!("\"{name}\" must be true or false"))),
        }
    }

    /// Reads `ref`, which the reply repeats.
    pub(crate) fn reference(&self) -> Result<Option<Box<RawValue>>, FieldError> {
        match self.get("ref") {
            None => Ok(None),
            Some(value) if value.get().starts_with(['"', '-']) => Ok(Some(value.to_owned())),
            Some(value) if value.get().starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(Some(value.to_owned()))
            }
            Some(_) => Err((kinds::BAD_COMMAND, "\"ref\" must be a string or a number".to_owned())),
        }
    }

    /// Reads where to start. As in the query of a request, `last_event_id` overrides `since`, an
    /// empty value counts as absent, and both have to be valid.
    pub(crate) fn start(&self) -> Result<Option<Start>, FieldError> {
        let id = self.string("last_event_id")?.filter(|id| !id.is_empty());
        let id = id.map(|id| id.parse::<MessageId>()).transpose();
        let id = id.map_err(|error| field_error("last_event_id", &error))?;
        // The value is a number, or a word in quotes.
        let since = match self.get("since").map(RawValue::get) {
            Some(text) if !text.starts_with('"') => Some(text.to_owned()),
            _ => self.string("since")?.filter(|since| !since.is_empty()),
        };
        let since = since.map(|since| since.parse()).transpose();
        let since: Option<Start> =
            since.map_err(|error: BadSince| (error.kind(), error.to_string()))?;
        let after = id.map(Start::After);
        Ok(match since {
            Some(since) if since.is_compact() => Some(after.map_or(since, Start::compacted)),
            since => after.or(since),
        })
    }
}

pub(crate) fn field_error(field: &str, error: &dyn Problem) -> FieldError {
    (error.kind(), format!("{field}: {error}"))
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Fields(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
