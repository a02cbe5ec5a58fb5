//! One event, and how it is written.

use std::{net::IpAddr, sync::Arc};

use serde::{Serialize, Serializer};
use tricast_core::{ChannelName, Identity, UserId, Wire};

use crate::settings::EventKind;

/// One event, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) detail: EventDetail,
    /// Grows by one from event to event, so that a repeat can be told.
    pub(crate) seq: u64,
    /// Milliseconds since 1970.
    pub(crate) time: u64,
}

/// What has happened.
#[derive(Clone, Debug)]
pub(crate) enum EventDetail {
    Connected(Arc<ConnectionMeta>),
    Disconnected(Arc<ConnectionMeta>),
    Online(ChannelName),
    Gone(ChannelName),
    /// So many events did not fit.
    Lost(u64),
}

/// Whose stream it is.
#[derive(Debug)]
pub(crate) struct ConnectionMeta {
    /// The same when it comes and when it goes.
    pub(crate) connection: u64,
    pub(crate) wire: Wire,
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) identity: Arc<Identity>,
}

impl EventDetail {
    /// Whether it has happened; else it stands for some that are counted as lost already.
    pub(crate) fn is_real(&self) -> bool {
        self.kind().is_some()
    }

    /// `None`: it is told whoever asked for what.
    pub(crate) fn kind(&self) -> Option<EventKind> {
        Some(match self {
            EventDetail::Connected(_) => EventKind::Connected,
            EventDetail::Disconnected(_) => EventKind::Disconnected,
            EventDetail::Online(_) => EventKind::Online,
            EventDetail::Gone(_) => EventKind::Gone,
            EventDetail::Lost(_) => return None,
        })
    }

    /// About how long it is when it is written.
    pub(crate) fn bytes(&self) -> usize {
        const REST: usize = 300;
        let names = |channels: &[ChannelName]| -> usize {
            channels.iter().map(|channel| channel.as_str().len() + 3).sum()
        };
        REST + match self {
            EventDetail::Connected(meta) | EventDetail::Disconnected(meta) => names(&meta.channels),
            EventDetail::Online(channel) | EventDetail::Gone(channel) => {
                names(std::slice::from_ref(channel))
            }
            EventDetail::Lost(_) => 0,
        }
    }

    /// How many places it takes in the queue: by the memory that it holds.
    pub(crate) fn weight(&self) -> usize {
        match self {
            EventDetail::Connected(meta) | EventDetail::Disconnected(meta) => {
                meta.channels.len().max(1)
            }
            EventDetail::Online(_) | EventDetail::Gone(_) => 1,
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
        };
        let document = match detail {
            EventDetail::Connected(meta) => {
                Document { stream: Some(Stream::of(meta)), ..blank("connected") }
            }
            EventDetail::Disconnected(meta) => {
                Document { stream: Some(Stream::of(meta)), ..blank("disconnected") }
            }
            EventDetail::Online(channel) => Document { channel: Some(channel), ..blank("online") },
            EventDetail::Gone(channel) => Document { channel: Some(channel), ..blank("gone") },
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
