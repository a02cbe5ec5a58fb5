//! The replies to commands: the frames that only this wire has (PROTOCOL.md §7).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tricast_core::{
    Change, ChangeError, Changed, ChannelName, HistoryPage, Kind, MessageId, NotRecovered,
    OnlineReport, PresencePage, Problem, Reply, Subscribed, control_document,
};

use crate::{
    frame,
    prompts::{Cancelled, Prompted},
};

/// `tricast.ack`: a command was carried out.
#[derive(Debug, Serialize)]
pub(crate) struct Ack {
    /// The command's own `ref`, unchanged.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<Box<RawValue>>,
    #[serde(flatten)]
    pub(crate) body: AckBody,
}

/// The result of a command.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum AckBody {
    Published {
        published: MessageId,
        /// The number of subscribers, where the publisher may know it.
        #[serde(skip_serializing_if = "Option::is_none")]
        subscribers: Option<u32>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
    },
    Subscribed {
        subscribed: ChannelName,
        from: MessageId,
        to: MessageId,
        recovered: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<NotRecovered>,
        online: BTreeMap<ChannelName, u32>,
    },
    Unsubscribed {
        unsubscribed: ChannelName,
    },
    Online {
        count: Box<OnlineReport>,
    },
    Presence {
        presence: Box<PresencePage>,
    },
    History {
        history: Box<HistoryPage>,
    },
    Renewed {
        expires: Option<u64>,
        /// The channels that the new token does not allow and that the connection has left.
        left: Vec<ChannelName>,
    },
    Prompted(Prompted),
    Cancelled(Cancelled),
    Pong {},
}

/// `tricast.error`: a command was refused.
#[derive(Debug, Serialize)]
pub(crate) struct CommandRefusal {
    /// The command's own `ref`, if it could be read.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<Box<RawValue>>,
    #[serde(rename = "type", serialize_with = "urn")]
    pub(crate) kind: Kind,
    pub(crate) detail: String,
}

fn urn<S: serde::Serializer>(kind: &Kind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&kind.urn())
}

impl Ack {
    /// Encodes the answer as one text frame. `id` is the connection's cursor after it, if it moves.
    pub(crate) fn encoded(&self, id: Option<MessageId>) -> Bytes {
        encoded(id, "tricast.ack", self)
    }
}

impl CommandRefusal {
    fn encoded(&self) -> Bytes {
        encoded(None, "tricast.error", self)
    }
}

impl From<CommandRefusal> for Reply {
    fn from(refusal: CommandRefusal) -> Self {
        Reply::Refusal(refusal.kind, refusal.encoded())
    }
}

fn encoded(id: Option<MessageId>, event: &'static str, body: &impl Serialize) -> Bytes {
    let document = control_document(id, event, body);
    frame::data(Data::Text, |payload| payload.extend(document))
}

/// Returns the reply that applies `change` and answers the command with its result.
pub(crate) fn reply_to_change(change: Change, reference: Option<Box<RawValue>>) -> Reply {
    Reply::Change(Box::new(change), Box::new(|result| encode_change(reference, result)))
}

fn encode_change(reference: Option<Box<RawValue>>, result: Result<Changed, ChangeError>) -> Bytes {
    let (id, body) = match result {
        Ok(Changed::Subscribed(subscribed)) => (Some(subscribed.id), ack_of(subscribed)),
        Ok(Changed::Unsubscribed(unsubscribed)) => (None, AckBody::Unsubscribed { unsubscribed }),
        Ok(Changed::Renewed { expires, left }) => (None, AckBody::Renewed { expires, left }),
        Err(error) => {
            let (kind, detail) = (error.kind(), error.to_string());
            return CommandRefusal { reference, kind, detail }.encoded();
        }
    };
    Ack { reference, body }.encoded(id)
}

fn ack_of(subscribed: Subscribed) -> AckBody {
    let Subscribed { channel, from, to, not_recovered, online, .. } = subscribed;
    let recovered = not_recovered.is_none();
    AckBody::Subscribed { subscribed: channel, from, to, recovered, reason: not_recovered, online }
}
