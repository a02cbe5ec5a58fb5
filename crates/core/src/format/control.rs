//! Control frames: the gateway's own frames in a stream (PROTOCOL.md §4).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{ChannelName, CloseReason, MessageId, Reconnect, Seq, clock};

/// A control frame.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Control {
    /// The first frame of a stream.
    Hello(Box<Hello>),
    /// This reader has lost messages.
    Gap(Gap),
    /// The stream is alive, and its cursor has moved.
    Alive(Alive),
    /// The online count of a channel.
    Online(OnlineChange),
    /// The stream is about to end with its token.
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
    /// The channels that the client asked for.
    pub channels: Vec<ChannelName>,
    /// The connection's client id.
    pub client: String,
    /// Whether the gateway made up the client id.
    pub issued: bool,
    /// The connection's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether the stream continues where the client left off.
    pub recovered: bool,
    /// The reason if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotRecovered>,
    /// Whether the request has published its message, if it carries one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<bool>,
    /// Online users of each channel.
    pub online: BTreeMap<ChannelName, u32>,
    /// Milliseconds between heartbeats.
    pub heartbeat: u64,
    /// Milliseconds before a reconnect; on SSE the browser's own timer.
    #[serde(skip)]
    pub retry: u64,
}

/// The reason that a stream does not continue where the client left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NotRecovered {
    /// No resume point was given.
    Fresh,
    /// Messages after the resume point have been evicted.
    Evicted,
    /// The resume point is of another epoch.
    Epoch,
    /// The resume point is an id that this log has not issued.
    Foreign,
}

/// A gap: messages of one channel that a reader has lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The cursor after this gap.
    #[serde(skip)]
    pub id: MessageId,
    /// The channel.
    pub channel: ChannelName,
    /// The lowest seq that can have been missed; `None` if the extent is unknown.
    pub first: Option<Seq>,
    /// The last seq missed; `None` if the extent is unknown.
    pub last: Option<Seq>,
    /// Whether it is certain that a message was missed.
    pub certain: bool,
}

/// A heartbeat with the cursor of the stream.
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

/// The warning before a stream ends with its token.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Expiring {
    /// Milliseconds until the end.
    pub left: u64,
}

/// The last frame of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct Goodbye {
    /// The reason.
    #[serde(serialize_with = "reason_name")]
    pub reason: CloseReason,
    /// Whether and when to reconnect.
    pub reconnect: Reconnect,
    /// Milliseconds to wait before reconnecting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<u32>,
}

fn reason_name<S: serde::Serializer>(reason: &CloseReason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.name())
}

impl Gap {
    /// Makes a gap of unknown extent, for a resume point that this log has not issued.
    pub(crate) fn unknown(id: MessageId, channel: ChannelName) -> Self {
        Self { id, channel, first: None, last: None, certain: false }
    }
}

/// The delay, in milliseconds, for a browser that should reconnect at once. It is not 0, because
/// the browser also waits this long between attempts while the gateway cannot be reached.
const RETRY_NOW_MILLIS: u64 = 200;

impl Goodbye {
    /// Makes a goodbye. `retry` (milliseconds) is kept only if the client should wait.
    pub fn new(reason: CloseReason, retry: u32) -> Self {
        let reconnect = reason.reconnect();
        let retry = (reconnect == Reconnect::Later).then_some(retry);
        Self { reason, reconnect, retry }
    }
}

impl Control {
    /// Returns the event's name.
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

    /// Returns the cursor after this frame; only hello, gap and alive move it.
    pub fn id(&self) -> Option<MessageId> {
        match self {
            Control::Hello(hello) => Some(hello.id),
            Control::Gap(gap) => Some(gap.id),
            Control::Alive(alive) => Some(alive.id),
            _ => None,
        }
    }

    /// Returns the milliseconds after which an SSE client should reconnect.
    pub fn retry(&self) -> Option<u64> {
        match self {
            Control::Hello(hello) => Some(hello.retry),
            Control::Goodbye(goodbye) => match goodbye.reconnect {
                // Without this the browser would wait for the `retry` of the hello.
                Reconnect::Now => Some(RETRY_NOW_MILLIS),
                _ => goodbye.retry.map(u64::from),
            },
            _ => None,
        }
    }

    /// Returns the JSON document of this frame.
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
    // Documents have string keys and finite numbers, so serializing cannot fail.
    serde_json::to_vec(&envelope).unwrap_or_default()
}
