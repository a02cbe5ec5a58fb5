//! Control frames: what the gateway itself says in a stream (PROTOCOL.md §4).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{ChannelName, CloseReason, MessageId, Reconnect, Seq, clock};

/// One control frame.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Control {
    /// The first frame of a stream.
    Hello(Box<Hello>),
    /// Messages are lost to this reader.
    Gap(Gap),
    /// The stream lives, and its cursor has moved.
    Alive(Alive),
    /// The online count of a channel.
    Online(OnlineChange),
    /// The stream will end with its token.
    Expiring(Expiring),
    /// The last frame of a stream.
    Goodbye(Goodbye),
}

/// The first frame of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct Hello {
    /// The cursor that this connection reads from.
    #[serde(skip)]
    pub id: MessageId,
    /// The channels that were asked for.
    pub channels: Vec<ChannelName>,
    /// The connection's client id.
    pub client: String,
    /// The gateway made the client id up.
    pub issued: bool,
    /// The connection's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The stream goes on where the client left it.
    pub recovered: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotRecovered>,
    /// Online users of each channel.
    pub online: BTreeMap<ChannelName, u32>,
    /// Milliseconds between signs of life.
    pub heartbeat: u64,
    /// Milliseconds before a reconnect; on SSE the browser's own timer.
    #[serde(skip)]
    pub retry: u64,
}

/// Why a stream does not go on where the client left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NotRecovered {
    /// No resume point was given.
    Fresh,
    /// History is too short.
    Evicted,
    /// The resume point is of another life of the log.
    Epoch,
}

/// Messages of one channel that are lost to a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The cursor after this gap.
    #[serde(skip)]
    pub id: MessageId,
    /// The channel.
    pub channel: ChannelName,
    /// The lowest seq that can have been missed; `None` after a change of epoch.
    pub first: Option<Seq>,
    /// The last seq missed; `None` after a change of epoch.
    pub last: Option<Seq>,
    /// Whether a message was missed for certain.
    pub certain: bool,
}

/// The stream lives, and its cursor has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Alive {
    /// The cursor.
    #[serde(skip)]
    pub id: MessageId,
}

/// The online count of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnlineChange {
    /// The channel.
    pub channel: ChannelName,
    /// Distinct users.
    pub users: u32,
    /// Connections.
    pub connections: u32,
}

/// The stream will end with its token.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Expiring {
    /// Milliseconds until then.
    pub left: u64,
}

/// The last frame of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct Goodbye {
    /// Why.
    #[serde(serialize_with = "reason_name")]
    pub reason: CloseReason,
    /// What to do.
    pub reconnect: Reconnect,
    /// Milliseconds to wait first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<u32>,
}

fn reason_name<S: serde::Serializer>(reason: &CloseReason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.name())
}

impl Gap {
    /// A loss of unknown extent, after a change of epoch.
    pub(crate) fn unknown(id: MessageId, channel: ChannelName) -> Self {
        Self { id, channel, first: None, last: None, certain: false }
    }
}

/// "Now", in milliseconds, for a browser that does it by itself: if nobody is there, it tries that often.
const RETRY_NOW_MILLIS: u64 = 200;

impl Goodbye {
    /// A goodbye whose `retry` (milliseconds) is kept only where the client should wait.
    pub fn new(reason: CloseReason, retry: u32) -> Self {
        let reconnect = reason.reconnect();
        let retry = (reconnect == Reconnect::Later).then_some(retry);
        Self { reason, reconnect, retry }
    }
}

impl Control {
    /// The event's name.
    pub fn event(&self) -> &'static str {
        match self {
            Control::Hello(_) => "tricast.hello",
            Control::Gap(_) => "tricast.gap",
            Control::Alive(_) => "tricast.alive",
            Control::Online(_) => "tricast.online",
            Control::Expiring(_) => "tricast.expiring",
            Control::Goodbye(_) => "tricast.goodbye",
        }
    }

    /// The cursor after this frame; only hello, gap and alive move it.
    pub fn id(&self) -> Option<MessageId> {
        match self {
            Control::Hello(hello) => Some(hello.id),
            Control::Gap(gap) => Some(gap.id),
            Control::Alive(alive) => Some(alive.id),
            _ => None,
        }
    }

    /// Milliseconds after which an SSE client should come back.
    pub fn retry(&self) -> Option<u64> {
        match self {
            Control::Hello(hello) => Some(hello.retry),
            Control::Goodbye(goodbye) => match goodbye.reconnect {
                // The browser would take its time from the hello.
                Reconnect::Now => Some(RETRY_NOW_MILLIS),
                _ => goodbye.retry.map(u64::from),
            },
            _ => None,
        }
    }

    /// The JSON document of this frame.
    pub fn document(&self) -> Vec<u8> {
        control_document(self.id(), self.event(), self)
    }
}

/// Writes a control frame's JSON document: `id` first where there is one, then `event`, then the
/// fields of `body`, `time` last.
pub fn control_document(
    id: Option<MessageId>,
    event: &'static str,
    body: &impl Serialize,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        event: &'static str,
        #[serde(flatten)]
        body: &'a T,
        time: u64,
    }
    let envelope = Envelope { id, event, body, time: clock::unix_millis() };
    // Documents have string keys and finite numbers: they always serialize.
    serde_json::to_vec(&envelope).unwrap_or_default()
}
