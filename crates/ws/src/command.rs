//! What a client says on a JSON connection: `{data, event?, channel?, skip_self?, id?, ref?}`.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};
use tricast_core::{BadData, ChannelName, Data, Draft, Kind, Problem, Publisher};

/// A command was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    /// The command's `ref`, when it could be read.
    pub(crate) reference: Option<Value>,
}

/// A publish, and the `ref` that its answer repeats.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) draft: Draft,
    pub(crate) reference: Option<Value>,
}

/// Reads a command. `channels` are the connection's; the only one of them is the default.
pub(crate) fn parse(
    text: &str,
    channels: &[ChannelName],
    publisher: &Publisher,
) -> Result<Command, Refusal> {
    let mut reference = None;
    parse_fields(text, channels, publisher, &mut reference)
        .map(|draft| Command { draft, reference: reference.clone() })
        .map_err(|(kind, detail)| Refusal { kind, detail, reference })
}

/// The fields of a command as they stand; a map would let the last of two win in silence.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| *value)
    }
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

fn parse_fields(
    text: &str,
    channels: &[ChannelName],
    publisher: &Publisher,
    reference: &mut Option<Value>,
) -> Result<Draft, (Kind, String)> {
    let fields: Fields<'_> =
        serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                (Kind::BadCommand, "a command is a JSON object".to_owned())
            }
            _ => (Kind::BadJson, format!("the command is not JSON: {error}")),
        })?;
    *reference = fields.get("ref").map(reference_of).transpose()?;
    const KNOWN: [&str; 6] = ["data", "event", "channel", "skip_self", "id", "ref"];
    let names = || fields.0.iter().map(|(name, _)| name.as_str());
    if let Some(unknown) = names().find(|name| !KNOWN.contains(name)) {
        let detail = format!("unknown field {unknown:?}; a command takes {}", KNOWN.join(", "));
        return Err((Kind::UnknownField, detail));
    }
    if let Some(twice) = KNOWN.iter().find(|known| names().filter(|n| n == *known).count() > 1) {
        return Err((Kind::BadCommand, format!("field {twice:?} is given twice")));
    }
    let data =
        fields.get("data").ok_or((Kind::BadCommand, "a command needs \"data\"".to_owned()))?;
    let channel = match (string(&fields, "channel")?, channels) {
        (Some(name), _) => name.parse().map_err(|error| told("channel", &error))?,
        (None, [only]) => only.clone(),
        (None, _) => {
            let detail = "this connection has several channels: name one in \"channel\"";
            return Err((Kind::BadChannel, detail.to_owned()));
        }
    };
    let event = string(&fields, "event")?.map(|name| name.parse()).transpose();
    let skip_self = match fields.get("skip_self").map(|value| value.get()) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err((Kind::BadCommand, "\"skip_self\" is true or false".to_owned()));
        }
    };
    let id = string(&fields, "id")?;
    Ok(Draft {
        channel,
        event: event.map_err(|error| told("event", &error))?,
        data: Data::json(data.get().as_bytes()).map_err(|error: BadData| told("data", &error))?,
        publisher: publisher.clone(),
        skip_self,
        end: false,
        at_least: 0,
        idempotency: id
            .map(|id| tricast_core::idempotency_id(&id))
            .transpose()
            .map_err(|error| told("id", &error))?,
    })
}

fn told(field: &str, error: &dyn Problem) -> (Kind, String) {
    (error.kind(), format!("{field}: {error}"))
}

fn string(fields: &Fields<'_>, name: &str) -> Result<Option<String>, (Kind, String)> {
    let Some(value) = fields.get(name) else {
        return Ok(None);
    };
    serde_json::from_str(value.get())
        .map(Some)
        .map_err(|_| (Kind::BadCommand, format!("\"{name}\" is a string")))
}

fn reference_of(value: &RawValue) -> Result<Value, (Kind, String)> {
    match serde_json::from_str(value.get()) {
        Ok(value @ (Value::String(_) | Value::Number(_))) => Ok(value),
        _ => Err((Kind::BadCommand, "\"ref\" is a string or a number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, channels: &[&str]) -> Result<Command, Refusal> {
        let channels: Vec<_> = channels.iter().map(|name| name.parse().expect("fits")).collect();
        parse(text, &channels, &Publisher::default())
    }

    #[test]
    fn a_full_command() {
        let text =
            r#"{"data":{"a":1.50},"event":"x","channel":"b","skip_self":true,"id":"i-1","ref":7}"#;
        let command = read(text, &["a", "c"]).expect("reads");
        assert_eq!(command.draft.channel.as_str(), "b");
        assert_eq!(command.draft.data, Data::Json("{\"a\":1.50}".into()));
        assert!(command.draft.skip_self);
        assert_eq!(command.reference, Some(7.into()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("{", Kind::BadJson, ""),
            ("[]", Kind::BadCommand, "object"),
            ("7", Kind::BadCommand, "object"),
            (r#"{"ref":1}"#, Kind::BadCommand, "data"),
            (r#"{"data":1,"data":2}"#, Kind::BadCommand, "data"),
            (r#"{"data":1,"chanel":"a"}"#, Kind::UnknownField, "chanel"),
            (r#"{"data":1,"channel":"a b"}"#, Kind::BadChannel, "channel"),
            (r#"{"data":1,"channel":7}"#, Kind::BadCommand, "channel"),
            (r#"{"data":1,"event":"tricast.x"}"#, Kind::ReservedEvent, "event"),
            (r#"{"data":1,"event":"a\nb"}"#, Kind::BadEvent, "event"),
            (r#"{"data":1,"skip_self":1}"#, Kind::BadCommand, "skip_self"),
            (r#"{"data":1,"id":""}"#, Kind::BadIdempotencyId, "id"),
            (r#"{"data":1,"ref":{}}"#, Kind::BadCommand, "ref"),
        ];
        for (text, kind, word) in cases {
            let refusal = read(text, &["a"]).expect_err(text);
            assert_eq!(refusal.kind, kind, "{text}");
            assert!(refusal.detail.contains(word), "{text}: {}", refusal.detail);
        }
        assert_eq!(
            read(r#"{"data":1,"ref":"r"}"#, &["a", "b"]).expect_err("two").kind,
            Kind::BadChannel
        );
    }
}
