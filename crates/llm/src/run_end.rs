//! How a run has ended, and what can be asked of it before and after.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::RawValue;
use tricast_core::{ChannelName, MessageId, UserId};

use crate::{ErrorKind, RunError, RunId, Starter};

/// The end of a run: one of three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The answer is complete.
    Complete,
    /// It was stopped.
    Cancelled,
    /// It has failed.
    Error,
}

/// The reason why a run was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// A user has asked for it.
    User,
    /// A client without a user has asked for it.
    Client,
    /// The application's own service has asked for it.
    Backend,
    /// The operator has asked for it.
    Operator,
    /// Nobody has listened for too long.
    Orphan,
    /// The response that streamed it is gone.
    Left,
    /// Another prompt takes its place.
    Replaced,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Its first message is not in the log yet.
    Starting,
    /// It waits for the end of others.
    Queued,
    /// The upstream is being called.
    Connecting,
    /// The upstream has begun its response, without content yet.
    Waiting,
    /// Content has come.
    Streaming,
    /// It has ended.
    Ended,
}

/// What is known of a run that has ended.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// How it has ended.
    pub status: Status,
    /// The choices with their whole messages, as JSON.
    pub choices: Box<RawValue>,
    /// The usage, as JSON; marked where it is estimated.
    pub usage: Option<Box<RawValue>>,
    /// From the prompt until the first content.
    pub first: Option<Duration>,
    /// From the prompt until the end.
    pub all: Duration,
    /// Why it was cancelled, if it was.
    pub by: Option<By>,
    /// Why it has failed, if it has.
    pub error: Option<RunError>,
}

/// The state of a run, as a document.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// Its channel.
    pub channel: ChannelName,
    /// The model, as clients know it.
    pub model: String,
    /// The user who has made the prompt, where the channel shows its users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// How far it is, or how it has ended.
    pub status: &'static str,
    /// The choices so far, as JSON.
    pub choices: Box<RawValue>,
    /// The usage, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Box<RawValue>>,
    /// When the prompt was made, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// Milliseconds until the first content and until the end.
    pub ms: Times,
    /// Why it was cancelled, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Why it has failed, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// The id of its first message.
    #[serde(skip)]
    pub start: Option<MessageId>,
    /// Who has made the prompt.
    #[serde(skip)]
    pub starter: Starter,
    /// How it has ended, once it has.
    #[serde(skip)]
    pub end: Option<Arc<RunEnd>>,
}

/// The times of a run, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Until the first content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Until the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<u64>,
}

impl Times {
    pub(crate) fn new(first: Option<Duration>, all: Option<Duration>) -> Self {
        let millis = |time: Duration| time.as_millis() as u64;
        Self { first: first.map(millis), all: all.map(millis) }
    }
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 3] = [Status::Complete, Status::Cancelled, Status::Error];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Status::Complete => "complete",
            Status::Cancelled => "cancelled",
            Status::Error => "error",
        }
    }
}

impl By {
    /// All reasons.
    pub const ALL: [By; 7] =
        [By::User, By::Client, By::Backend, By::Operator, By::Orphan, By::Left, By::Replaced];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            By::User => "user",
            By::Client => "client",
            By::Backend => "backend",
            By::Operator => "operator",
            By::Orphan => "orphan",
            By::Left => "left",
            By::Replaced => "replaced",
        }
    }
}

impl Phase {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Queued => "queued",
            Phase::Connecting => "connecting",
            Phase::Waiting => "waiting",
            Phase::Streaming => "streaming",
            Phase::Ended => "ended",
        }
    }
}

impl Serialize for By {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// The error as the last message of a run has it.
impl Serialize for RunError {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            r#type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: Option<u16>,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'a str>,
            message: &'a str,
            retryable: bool,
        }
        let Self { kind, status, code, message, .. } = self;
        let (kind, retryable): (&ErrorKind, _) = (kind, self.is_retryable());
        let (status, code) = (*status, code.as_deref());
        Document { r#type: kind.name(), status, code, message, retryable }.serialize(to)
    }
}
