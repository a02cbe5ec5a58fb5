//! One event and its JSON document.

use std::{net::IpAddr, sync::Arc};

use serde::{Serialize, Serializer};
use tricast_core::{ChannelName, Identity, StreamEnd, UserId, Wire};
use tricast_llm::RunReport;

use crate::settings::EventKind;

/// The bytes of an answer for which an event takes one more place in the queue.
const PLACE_BYTES: usize = 1024;

/// One event that has its place in the order.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) detail: EventDetail,
    /// Grows by one from event to event, so that the service can recognize repeats.
    pub(crate) seq: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time: u64,
}

/// The kind of an event and its fields.
#[derive(Clone, Debug)]
pub(crate) enum EventDetail {
    Connected(Arc<ConnectionMeta>),
    Disconnected(Arc<ConnectionMeta>, StreamEnd),
    Online(ChannelName),
    Gone(ChannelName),
    /// An answer of a model has ended.
    Run(Box<RunReport>),
    /// Number of events that did not fit.
    Lost(u64),
}

/// The stream of a connection event.
#[derive(Debug)]
pub(crate) struct ConnectionMeta {
    /// Number of the connection, the same in `connected` and `disconnected`.
    pub(crate) connection: u64,
    pub(crate) wire: Wire,
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) identity: Arc<Identity>,
}

impl EventDetail {
    /// Returns whether the event happened. Otherwise it reports events that are counted as lost.
    pub(crate) fn is_real(&self) -> bool {
        self.kind().is_some()
    }

    /// Returns the kind that the settings select by, or `None` for an event that is always
    /// reported.
    pub(crate) fn kind(&self) -> Option<EventKind> {
        Some(match self {
            EventDetail::Connected(_) => EventKind::Connected,
            EventDetail::Disconnected(..) => EventKind::Disconnected,
            EventDetail::Online(_) => EventKind::Online,
            EventDetail::Gone(_) => EventKind::Gone,
            EventDetail::Run(_) => EventKind::Run,
            EventDetail::Lost(_) => return None,
        })
    }

    /// Returns the approximate length of the document.
    pub(crate) fn bytes(&self) -> usize {
        const REST: usize = 300;
        let names = |channels: &[ChannelName]| -> usize {
            channels.iter().map(|channel| channel.as_str().len() + 3).sum()
        };
        REST + match self {
            EventDetail::Connected(meta) | EventDetail::Disconnected(meta, _) => {
                names(&meta.channels)
            }
            EventDetail::Online(channel) | EventDetail::Gone(channel) => {
                names(std::slice::from_ref(channel))
            }
            EventDetail::Run(report) => report.choices.get().len(),
            EventDetail::Lost(_) => 0,
        }
    }

    /// Returns the places that it takes in the queue, by the memory that it holds.
    pub(crate) fn weight(&self) -> usize {
        match self {
            EventDetail::Connected(meta) | EventDetail::Disconnected(meta, _) => {
                meta.channels.len().max(1)
            }
            EventDetail::Online(_) | EventDetail::Gone(_) => 1,
            EventDetail::Run(report) => 1 + report.choices.get().len() / PLACE_BYTES,
            EventDetail::Lost(_) => 0,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { detail, seq, time } = self;
        let blank = |event| Document {
            event,
            seq: *seq,
            time: *time,
            channel: None,
            count: None,
            stream: None,
            run: None,
            reason: None,
        };
        let document = match detail {
            EventDetail::Connected(meta) => {
                Document { stream: Some(Stream::of(meta)), ..blank("connected") }
            }
            EventDetail::Disconnected(meta, end) => Document {
                stream: Some(Stream::of(meta)),
                reason: Some(end.name()),
                ..blank("disconnected")
            },
            EventDetail::Online(channel) => Document { channel: Some(channel), ..blank("online") },
            EventDetail::Gone(channel) => Document { channel: Some(channel), ..blank("gone") },
            EventDetail::Run(report) => Document { run: Some(report), ..blank("run") },
            EventDetail::Lost(count) => Document { count: Some(*count), ..blank("lost") },
        };
        document.serialize(to)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    event: &'static str,
    seq: u64,
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a ChannelName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(flatten)]
    stream: Option<Stream<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a RunReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Stream<'a> {
    connection: u64,
    wire: &'static str,
    channels: &'a [ChannelName],
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

impl<'a> Stream<'a> {
    fn of(meta: &'a ConnectionMeta) -> Self {
        let ConnectionMeta { connection, wire, channels, identity } = meta;
        Self {
            connection: *connection,
            wire: wire.name(),
            channels,
            user: identity.user.as_ref().map(UserId::as_str),
            address: identity.address,
        }
    }
}
