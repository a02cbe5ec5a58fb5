//! Parses the commands of JSON connections: an object with a `type`, its fields, and a `ref` that
//! the reply repeats.

use serde_json::value::RawValue;
use tricast_core::{ChannelName, Data, Draft, EventName, Kind, Publisher, Start, UserId};

use crate::{
    answer::CommandRefusal,
    fields::{FieldError, Fields, field_error},
    kinds,
    prompts::{PromptCommand, PromptContent},
};

/// A command, and the `ref` that the reply repeats.
#[derive(Debug)]
pub(crate) struct ParsedCommand {
    pub(crate) command: Command,
    pub(crate) reference: Option<Box<RawValue>>,
}

#[derive(Debug)]
pub(crate) enum Command {
    Publish(Box<Draft>),
    Subscribe { channel: ChannelName, start: Start },
    Unsubscribe(ChannelName),
    Online(ChannelName),
    Presence { channel: ChannelName, after: Option<UserId> },
    History { channel: ChannelName, start: Start },
    Renew(String),
    Prompt(Box<PromptCommand>),
    Cancel(String),
    Ping,
}

/// Parses a command. `channels` are the connection's; if it has only one, that is the default.
pub(crate) fn parse(
    text: &str,
    channels: &[ChannelName],
    publisher: &Publisher,
) -> Result<ParsedCommand, CommandRefusal> {
    let mut reference = None;
    parse_command(text, channels, publisher, &mut reference)
        .map(|command| ParsedCommand { command, reference: reference.clone() })
        .map_err(|(kind, detail)| CommandRefusal { kind, detail, reference })
}

/// Reads only the `ref` of a command, if that is possible.
pub(crate) fn parse_reference(text: &str) -> Option<Box<RawValue>> {
    Fields::read(text).ok()?.reference().ok()?
}

fn parse_command(
    text: &str,
    channels: &[ChannelName],
    publisher: &Publisher,
    reference: &mut Option<Box<RawValue>>,
) -> Result<Command, FieldError> {
    let fields = Fields::read(text)?;
    *reference = fields.reference()?;
    match fields.string("type")?.as_deref() {
        None | Some("publish") => {
            fields.allow_only(&["type", "ref", "channel", "data", "event", "skip_self", "id"])?;
            parse_publish(&fields, channels, publisher)
                .map(|draft| Command::Publish(Box::new(draft)))
        }
        Some("subscribe") => {
            fields.allow_only(&["type", "ref", "channel", "since", "last_event_id"])?;
            let start = fields.start()?.unwrap_or(Start::Latest);
            Ok(Command::Subscribe { channel: required_channel(&fields)?, start })
        }
        Some("unsubscribe") => {
            fields.allow_only(&["type", "ref", "channel"])?;
            required_channel(&fields).map(Command::Unsubscribe)
        }
        Some("online") => {
            fields.allow_only(&["type", "ref", "channel"])?;
            channel_or_default(&fields, channels).map(Command::Online)
        }
        Some("presence") => {
            fields.allow_only(&["type", "ref", "channel", "after"])?;
            Ok(Command::Presence {
                channel: channel_or_default(&fields, channels)?,
                after: fields.parsed("after")?,
            })
        }
        Some("history") => {
            fields.allow_only(&["type", "ref", "channel", "since", "last_event_id"])?;
            let start = fields.start()?.unwrap_or(Start::Earliest);
            Ok(Command::History { channel: channel_or_default(&fields, channels)?, start })
        }
        Some("renew") => {
            fields.allow_only(&["type", "ref", "token"])?;
            let missing = || (kinds::BAD_COMMAND, "put the new token in \"token\"".to_owned());
            fields.string("token")?.map(Command::Renew).ok_or_else(missing)
        }
        Some("prompt") => {
            fields.allow_only(&["type", "ref", "channel", "text", "request", "model", "id"])?;
            parse_prompt(&fields, channels).map(|prompt| Command::Prompt(Box::new(prompt)))
        }
        Some("cancel") => {
            fields.allow_only(&["type", "ref", "run"])?;
            let missing = || (kinds::BAD_COMMAND, "put the id of the run in \"run\"".to_owned());
            fields.string("run")?.map(Command::Cancel).ok_or_else(missing)
        }
        Some("ping") => {
            fields.allow_only(&["type", "ref"])?;
            Ok(Command::Ping)
        }
        Some(other) => {
            let types = "publish, subscribe, unsubscribe, online, presence, history, prompt, \
                         cancel, renew and ping";
            Err((kinds::BAD_COMMAND, format!("unknown type {other:?}; the types are {types}")))
        }
    }
}

fn parse_publish(
    fields: &Fields<'_>,
    channels: &[ChannelName],
    publisher: &Publisher,
) -> Result<Draft, FieldError> {
    let data = fields
        .get("data")
        .ok_or((kinds::BAD_COMMAND, "a publish command needs \"data\"".to_owned()))?;
    let id = fields.string("id")?;
    let id = id.map(|id| tricast_core::idempotency_id(&id)).transpose();
    let channel = channel_or_default(fields, channels)?;
    let event = fields.parsed::<EventName>("event")?;
    let data = Data::json(data.get().as_bytes()).map_err(|error| field_error("data", &error))?;
    Ok(Draft::new(channel, data)
        .with_event(event)
        .with_publisher(publisher.clone())
        .with_skip_self(fields.flag("skip_self")?)
        .with_idempotency(id.map_err(|error| field_error("id", &error))?))
}

fn parse_prompt(
    fields: &Fields<'_>,
    channels: &[ChannelName],
) -> Result<PromptCommand, FieldError> {
    let (text, request) = (fields.string("text")?, fields.get("request"));
    let model = fields.string("model")?;
    let content = match (text, request) {
        (Some(text), None) => PromptContent::Text(text),
        (None, Some(request)) if model.is_none() => PromptContent::Request(request.to_owned()),
        (None, Some(_)) => {
            let detail = "name the model in \"request\", and not beside it";
            return Err((kinds::BAD_COMMAND, detail.to_owned()));
        }
        _ => {
            let detail = "a prompt has either \"text\", or \"request\" with the body of a chat \
                          completion";
            return Err((kinds::BAD_COMMAND, detail.to_owned()));
        }
    };
    let id = fields.string("id")?;
    let id = id.map(|id| tricast_core::idempotency_id(&id)).transpose();
    Ok(PromptCommand {
        channel: channel_or_default(fields, channels)?,
        model,
        content,
        id: id.map_err(|error| field_error("id", &error))?,
    })
}

/// Returns the channel that a command names, or the only one of the connection.
fn channel_or_default(
    fields: &Fields<'_>,
    channels: &[ChannelName],
) -> Result<ChannelName, FieldError> {
    match (fields.parsed("channel")?, channels) {
        (Some(named), _) => Ok(named),
        (None, [only]) => Ok(only.clone()),
        (None, []) => {
            let detail = "this connection has no channel; name one in \"channel\"";
            Err((Kind::BadChannel, detail.to_owned()))
        }
        (None, _) => {
            let detail = "this connection has several channels; name one in \"channel\"";
            Err((Kind::BadChannel, detail.to_owned()))
        }
    }
}

fn required_channel(fields: &Fields<'_>) -> Result<ChannelName, FieldError> {
    let missing = || (Kind::BadChannel, "name the channel in \"channel\"".to_owned());
    fields.parsed("channel")?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_with(text: &str, channels: &[&str]) -> Result<ParsedCommand, CommandRefusal> {
        let channels: Vec<_> = channels.iter().map(|name| name.parse().expect("fits")).collect();
        parse(text, &channels, &Publisher::default())
    }

    fn parsed(text: &str) -> Command {
        parse_with(text, &["a"]).expect(text).command
    }

    #[test]
    fn a_full_publish() {
        let text =
            r#"{"data":{"a":1.50},"event":"x","channel":"b","skip_self":true,"id":"i-1","ref":7}"#;
        let command = parse_with(text, &["a", "c"]).expect("reads");
        assert_eq!(command.reference.as_deref().map(RawValue::get), Some("7"));
        let Command::Publish(draft) = command.command else { panic!("{:?}", command.command) };
        assert_eq!(draft.channel.as_str(), "b");
        assert_eq!(draft.data, Data::Json("{\"a\":1.50}".into()));
        assert!(draft.skip_self);
        assert!(matches!(parsed(r#"{"type":"publish","data":1}"#), Command::Publish(_)));
        assert!(matches!(parsed("\u{feff}{\"data\":1}"), Command::Publish(_)));
    }

    #[test]
    fn the_other_types() {
        let begins = |text: &str| match parsed(text) {
            Command::Subscribe { channel, start } if channel.as_str() == "b" => start,
            Command::History { channel, start } if channel.as_str() == "a" => start,
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
        assert!(matches!(
            parsed(r#"{"type":"unsubscribe","channel":"a"}"#),
            Command::Unsubscribe(_)
        ));
        assert!(matches!(parsed(r#"{"type":"online"}"#), Command::Online(_)));
        assert!(matches!(
            parsed(r#"{"type":"presence","after":"bob"}"#),
            Command::Presence { after: Some(user), .. } if user.as_str() == "bob"
        ));
        assert!(matches!(parsed(r#"{"type":"ping","ref":"r"}"#), Command::Ping));
        assert!(matches!(
            parsed(r#"{"type":"cancel","run":"r7"}"#),
            Command::Cancel(run) if run == "r7"
        ));
        let prompt = |text: &str| match parsed(text) {
            Command::Prompt(prompt) if prompt.channel.as_str() == "a" => *prompt,
            other => panic!("{other:?}"),
        };
        let asked = prompt(r#"{"type":"prompt","text":"Hi","model":"fast","id":"k1"}"#);
        assert!(matches!(&asked.content, PromptContent::Text(text) if text == "Hi"));
        assert_eq!((asked.model.as_deref(), asked.id.as_deref()), (Some("fast"), Some("k1")));
        let asked = prompt(r#"{"type":"prompt","request":{"messages":[ 1.0 ]}}"#);
        let PromptContent::Request(request) = asked.content else { panic!("{asked:?}") };
        assert_eq!(request.get(), r#"{"messages":[ 1.0 ]}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("{", Kind::BadJson, ""),
            ("[]", kinds::BAD_COMMAND, "object"),
            ("7", kinds::BAD_COMMAND, "object"),
            (r#"{"ref":1}"#, kinds::BAD_COMMAND, "data"),
            (r#"{"data":1,"data":2}"#, kinds::BAD_COMMAND, "data"),
            (r#"{"data":1,"chanel":"a"}"#, kinds::UNKNOWN_FIELD, "chanel"),
            (r#"{"data":1,"channel":"a b"}"#, Kind::BadChannel, "channel"),
            (r#"{"data":1,"channel":7}"#, kinds::BAD_COMMAND, "channel"),
            (r#"{"data":1,"event":"tricast.x"}"#, Kind::ReservedEvent, "event"),
            (r#"{"data":1,"event":"error"}"#, Kind::ReservedEvent, "event"),
            (r#"{"data":1,"event":"open"}"#, Kind::ReservedEvent, "event"),
            (r#"{"data":1,"event":"a\nb"}"#, Kind::BadEvent, "event"),
            (r#"{"data":1,"skip_self":1}"#, kinds::BAD_COMMAND, "skip_self"),
            (r#"{"data":1,"id":""}"#, Kind::BadIdempotencyId, "id"),
            (r#"{"data":1,"ref":{}}"#, kinds::BAD_COMMAND, "ref"),
            (r#"{"type":"dance"}"#, kinds::BAD_COMMAND, "dance"),
            (r#"{"type":7}"#, kinds::BAD_COMMAND, "type"),
            (r#"{"type":"ping","data":1}"#, kinds::UNKNOWN_FIELD, "data"),
            (r#"{"type":"prompt"}"#, kinds::BAD_COMMAND, "text"),
            (r#"{"type":"prompt","text":"a","request":{}}"#, kinds::BAD_COMMAND, "either"),
            (r#"{"type":"prompt","request":{},"model":"m"}"#, kinds::BAD_COMMAND, "model"),
            (r#"{"type":"prompt","text":7}"#, kinds::BAD_COMMAND, "text"),
            (r#"{"type":"prompt","text":"a","id":""}"#, Kind::BadIdempotencyId, "id"),
            (r#"{"type":"cancel"}"#, kinds::BAD_COMMAND, "run"),
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
            let refusal = parse_with(text, &["a"]).expect_err(text);
            assert_eq!(refusal.kind, kind, "{text}");
            assert!(refusal.detail.contains(word), "{text}: {}", refusal.detail);
        }
        for channels in [&["a", "b"][..], &[]] {
            let refusal = parse_with(r#"{"data":1,"ref":"r"}"#, channels).expect_err("which?");
            let reference = refusal.reference.as_deref().map(RawValue::get);
            assert_eq!((refusal.kind, reference), (Kind::BadChannel, Some("\"r\"")));
        }
    }
}
