//! One event, and how it is written.

use std::{net::IpAddr, sync::Arc};

use serde::{Serialize, Serializer};
use tricast_core::{ChannelName, Identity, UserId, Wire};

use crate::settings::EventKind;

/// One event, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) what: What,
    /// Grows by one from event to event, so that a repeat can be told.
    pub(crate) seq: u64,
    /// Milliseconds since 1970.
    pub(crate) time: u64,
}

/// What has happened.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Connected(Arc<Visitor>),
    Disconnected(Arc<Visitor>),
    Online(ChannelName),
    Gone(ChannelName),
    /// So many events did not fit.
    Lost(u64),
}

/// Whose stream it is.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The same when it comes and when it goes.
    pub(crate) connection: u64,
    pub(crate) wire: Wire,
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) identity: Arc<Identity>,
}

impl What {
    /// Whether it has happened; else it stands for some that are counted as lost already.
    pub(crate) fn is_real(&self) -> bool {
        self.kind().is_some()
    }

    /// `None`: it is told whoever asked for what.
    pub(crate) fn kind(&self) -> Option<EventKind> {
        Some(match self {
            What::Connected(_) => EventKind::Connected,
            What::Disconnected(_) => EventKind::Disconnected,
            What::Online(_) => EventKind::Online,
            What::Gone(_) => EventKind::Gone,
            What::Lost(_) => return None,
        })
    }

    /// About how long it is when it is written.
    pub(crate) fn bytes(&self) -> usize {
        const REST: usize = 300;
        let names = |channels: &[ChannelName]| -> usize {
            channels.iter().map(|channel| channel.as_str().len() + 3).sum()
        };
        REST + match self {
            What::Connected(visitor) | What::Disconnected(visitor) => names(&visitor.channels),
            What::Online(channel) | What::Gone(channel) => names(std::slice::from_ref(channel)),
            What::Lost(_) => 0,
        }
    }

    /// How many places it takes in the queue: by the memory that it holds.
    pub(crate) fn places(&self) -> usize {
        match self {
            What::Connected(visitor) | What::Disconnected(visitor) => visitor.channels.len().max(1),
            What::Online(_) | What::Gone(_) => 1,
            What::Lost(_) => 0,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { what, seq, time } = self;
        let blank = |event| Document {
            event,
            seq: *seq,
            time: *time,
            channel: None,
            count: None,
            stream: None,
        };
        let document = match what {
            What::Connected(visitor) => {
                Document { stream: Some(Stream::of(visitor)), ..blank("connected") }
            }
            What::Disconnected(visitor) => {
                Document { stream: Some(Stream::of(visitor)), ..blank("disconnected") }
            }
            What::Online(channel) => Document { channel: Some(channel), ..blank("online") },
            What::Gone(channel) => Document { channel: Some(channel), ..blank("gone") },
            What::Lost(count) => Document { count: Some(*count), ..blank("lost") },
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
    fn of(visitor: &'a Visitor) -> Self {
        let Visitor { connection, wire, channels, identity } = visitor;
        Self {
            connection: *connection,
            wire: wire.name(),
            channels,
            user: identity.user.as_ref().map(UserId::as_str),
            address: identity.address,
        }
    }
}
