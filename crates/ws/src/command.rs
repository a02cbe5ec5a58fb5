//! What a client says on a JSON connection: an object with a `type`, its fields, and a `ref` for the answer.

use serde_json::value::RawValue;
use tricast_core::{ChannelName, Data, Draft, EventName, Kind, Publisher, Start, UserId};

use crate::fields::{Fields, Wrong, told};

/// A command was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    /// The command's `ref`, when it could be read.
    pub(crate) reference: Option<Box<RawValue>>,
}

/// What to do, and the `ref` that the answer repeats.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) order: Order,
    pub(crate) reference: Option<Box<RawValue>>,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Order {
    Publish(Box<Draft>),
    Subscribe { channel: ChannelName, start: Start },
    Unsubscribe(ChannelName),
    Online(ChannelName),
    Presence { channel: ChannelName, after: Option<UserId> },
    History { channel: ChannelName, start: Start },
    Renew(String),
    Ping,
}

/// Reads a command. `channels` are the connection's; the only one of them is the default.
pub(crate) fn parse(
    text: &str,
    channels: &[ChannelName],
    publisher: &Publisher,
) -> Result<Command, Refusal> {
    let mut reference = None;
    read(text, channels, publisher, &mut reference)
        .map(|order| Command { order, reference: reference.clone() })
        .map_err(|(kind, detail)| Refusal { kind, detail, reference })
}

/// Only the `ref` of a command, if it can be read.
pub(crate) fn reference(text: &str) -> Option<Box<RawValue>> {
    Fields::read(text).ok()?.reference().ok()?
}

fn read(
    text: &str,
    channels: &[ChannelName],
    publisher: &Publisher,
    reference: &mut Option<Box<RawValue>>,
) -> Result<Order, Wrong> {
    let fields = Fields::read(text)?;
    *reference = fields.reference()?;
    match fields.string("type")?.as_deref() {
        None | Some("publish") => {
            fields.take_only(&["type", "ref", "channel", "data", "event", "skip_self", "id"])?;
            publish(&fields, channels, publisher).map(|draft| Order::Publish(Box::new(draft)))
        }
        Some("subscribe") => {
            fields.take_only(&["type", "ref", "channel", "since", "last_event_id"])?;
            let start = fields.start()?.unwrap_or(Start::Latest);
            Ok(Order::Subscribe { channel: named(&fields)?, start })
        }
        Some("unsubscribe") => {
            fields.take_only(&["type", "ref", "channel"])?;
            named(&fields).map(Order::Unsubscribe)
        }
        Some("online") => {
            fields.take_only(&["type", "ref", "channel"])?;
            channel(&fields, channels).map(Order::Online)
        }
        Some("presence") => {
            fields.take_only(&["type", "ref", "channel", "after"])?;
            Ok(Order::Presence {
                channel: channel(&fields, channels)?,
                after: fields.parsed("after")?,
            })
        }
        Some("history") => {
            fields.take_only(&["type", "ref", "channel", "since", "last_event_id"])?;
            let start = fields.start()?.unwrap_or(Start::Earliest);
            Ok(Order::History { channel: channel(&fields, channels)?, start })
        }
        Some("renew") => {
            fields.take_only(&["type", "ref", "token"])?;
            let missing = || (Kind::BadCommand, "put the new token in \"token\"".to_owned());
            fields.string("token")?.map(Order::Renew).ok_or_else(missing)
        }
        Some("ping") => {
            fields.take_only(&["type", "ref"])?;
            Ok(Order::Ping)
        }
        Some(other) => {
            let types =
                "publish, subscribe, unsubscribe, online, presence, history, renew and ping";
            Err((Kind::BadCommand, format!("there is no type {other:?}; there are {types}")))
        }
    }
}

fn publish(
    fields: &Fields<'_>,
    channels: &[ChannelName],
    publisher: &Publisher,
) -> Result<Draft, Wrong> {
    let data =
        fields.get("data").ok_or((Kind::BadCommand, "a command needs \"data\"".to_owned()))?;
    let id = fields.string("id")?;
    let id = id.map(|id| tricast_core::idempotency_id(&id)).transpose();
    Ok(Draft {
        channel: channel(fields, channels)?,
        event: fields.parsed::<EventName>("event")?,
        data: Data::json(data.get().as_bytes()).map_err(|error| told("data", &error))?,
        publisher: publisher.clone(),
        skip_self: fields.flag("skip_self")?,
        end: false,
        at_least: 0,
        idempotency: id.map_err(|error| told("id", &error))?,
    })
}

/// The channel that a command names, or the only one that there is.
fn channel(fields: &Fields<'_>, channels: &[ChannelName]) -> Result<ChannelName, Wrong> {
    match (fields.parsed("channel")?, channels) {
        (Some(named), _) => Ok(named),
        (None, [only]) => Ok(only.clone()),
        (None, []) => {
            let detail = "this connection has no channel: name one in \"channel\"";
            Err((Kind::BadChannel, detail.to_owned()))
        }
        (None, _) => {
            let detail = "this connection has several channels: name one in \"channel\"";
            Err((Kind::BadChannel, detail.to_owned()))
        }
    }
}

fn named(fields: &Fields<'_>) -> Result<ChannelName, Wrong> {
    let missing = || (Kind::BadChannel, "name the channel in \"channel\"".to_owned());
    fields.parsed("channel")?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, channels: &[&str]) -> Result<Command, Refusal> {
        let channels: Vec<_> = channels.iter().map(|name| name.parse().expect("fits")).collect();
        parse(text, &channels, &Publisher::default())
    }

    fn order(text: &str) -> Order {
        read(text, &["a"]).expect(text).order
    }

    #[test]
    fn a_full_publish() {
        let text =
            r#"{"data":{"a":1.50},"event":"x","channel":"b","skip_self":true,"id":"i-1","ref":7}"#;
        let command = read(text, &["a", "c"]).expect("reads");
        assert_eq!(command.reference.as_deref().map(RawValue::get), Some("7"));
        let Order::Publish(draft) = command.order else { panic!("{:?}", command.order) };
        assert_eq!(draft.channel.as_str(), "b");
        assert_eq!(draft.data, Data::Json("{\"a\":1.50}".into()));
        assert!(draft.skip_self);
        assert!(matches!(order(r#"{"type":"publish","data":1}"#), Order::Publish(_)));
    }

    #[test]
    fn the_other_types() {
        let begins = |text: &str| match order(text) {
            Order::Subscribe { channel, start } if channel.as_str() == "b" => start,
            Order::History { channel, start } if channel.as_str() == "a" => start,
            other => panic!("{other:?}"),
        };
        assert_eq!(begins(r#"{"type":"subscribe","channel":"b"}"#), Start::Latest);
        assert_eq!(
            begins(r#"{"type":"subscribe","channel":"b","since":"earliest"}"#),
            Start::Earliest
        );
        assert_eq!(begins(r#"{"type":"subscribe","channel":"b","since":3}"#), Start::Newest(3));
        let after =
            begins(r#"{"type":"subscribe","channel":"b","last_event_id":"k7-3","since":3}"#);
        assert_eq!(after, Start::After("k7-3".parse().expect("an id")));
        assert_eq!(begins(r#"{"type":"history"}"#), Start::Earliest);
        assert!(matches!(order(r#"{"type":"unsubscribe","channel":"a"}"#), Order::Unsubscribe(_)));
        assert!(matches!(order(r#"{"type":"online"}"#), Order::Online(_)));
        assert!(matches!(
            order(r#"{"type":"presence","after":"bob"}"#),
            Order::Presence { after: Some(user), .. } if user.as_str() == "bob"
        ));
        assert!(matches!(order(r#"{"type":"ping","ref":"r"}"#), Order::Ping));
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
            (r#"{"type":"dance"}"#, Kind::BadCommand, "dance"),
            (r#"{"type":7}"#, Kind::BadCommand, "type"),
            (r#"{"type":"ping","data":1}"#, Kind::UnknownField, "data"),
            (r#"{"type":"subscribe"}"#, Kind::BadChannel, "channel"),
            (r#"{"type":"unsubscribe"}"#, Kind::BadChannel, "channel"),
            (r#"{"type":"subscribe","channel":"b","since":"never"}"#, Kind::BadResume, "since"),
            (r#"{"type":"subscribe","channel":"b","since":-1}"#, Kind::BadResume, "since"),
            (
                r#"{"type":"subscribe","channel":"b","last_event_id":"x"}"#,
                Kind::BadResume,
                "last_event_id",
            ),
        ];
        for (text, kind, word) in cases {
            let refusal = read(text, &["a"]).expect_err(text);
            assert_eq!(refusal.kind, kind, "{text}");
            assert!(refusal.detail.contains(word), "{text}: {}", refusal.detail);
        }
        for channels in [&["a", "b"][..], &[]] {
            let refusal = read(r#"{"data":1,"ref":"r"}"#, channels).expect_err("which?");
            let reference = refusal.reference.as_deref().map(RawValue::get);
            assert_eq!((refusal.kind, reference), (Kind::BadChannel, Some("\"r\"")));
        }
    }
}
