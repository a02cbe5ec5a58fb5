//! A message: built once, numbered once, encoded once for each wire variant, shared by all readers.

use std::{mem::size_of, sync::Arc};

use bytes::Bytes;

use crate::{
    ChannelName, Data, Epoch, EventName, Format, Identity, MessageId, Part, Publisher, Seq,
    Variant, clock,
    fold::part::FoldMember,
    message::memory::{MemoryBudget, MemoryShare},
    sync::Mutex,
};

/// A message is fresh for this long after publishing: live readers are about to read it.
const FRESH_MILLIS: u64 = 5000;

/// A message that has not been published: the log gives it an id.
///
/// ```
/// use tricast_core::{Data, Draft};
///
/// let draft = Draft::new("news".parse()?, Data::Text("hello".into()))
///     .with_event("greeting".parse::<tricast_core::EventName>()?)
///     .with_end(true);
/// assert!(!draft.skip_self);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a draft is not published before it is given to `Hub::publish`"]
#[non_exhaustive]
pub struct Draft {
    /// The channel to publish to.
    pub channel: ChannelName,
    /// The event's name; `None` is [`EventName::DEFAULT`].
    pub event: Option<EventName>,
    /// The data.
    pub data: Data,
    /// The publisher, for skip-self and idempotency.
    pub publisher: Publisher,
    /// Hides the message from the client that published it.
    pub skip_self: bool,
    /// Ends the channel with this message.
    pub end: bool,
    /// The idempotency id: publishing the same id again publishes nothing.
    pub idempotency: Option<Arc<str>>,
    /// The least number of subscribers; with fewer the message is not published.
    pub min_subscribers: u32,
    /// What the message does to a fold, if that is known.
    pub(crate) part: Option<Arc<Part>>,
}

impl Draft {
    /// Makes a message of `data` for `channel`, from an unknown publisher.
    pub fn new(channel: ChannelName, data: Data) -> Self {
        Self {
            channel,
            event: None,
            data,
            publisher: Publisher::default(),
            skip_self: false,
            end: false,
            idempotency: None,
            min_subscribers: 0,
            part: None,
        }
    }

    /// Sets the event's name.
    pub fn with_event(mut self, event: impl Into<Option<EventName>>) -> Self {
        self.event = event.into();
        self
    }

    /// Sets the publisher; a subscriber's [`Identity`] will do.
    pub fn with_publisher(mut self, publisher: impl Into<Publisher>) -> Self {
        self.publisher = publisher.into();
        self
    }

    /// Sets whether the message is hidden from the client that published it.
    pub fn with_skip_self(mut self, skip_self: bool) -> Self {
        self.skip_self = skip_self;
        self
    }

    /// Sets whether the channel ends with this message.
    pub fn with_end(mut self, end: bool) -> Self {
        self.end = end;
        self
    }

    /// Sets the idempotency id, as [`idempotency_id`](crate::idempotency_id) has checked it.
    pub fn with_idempotency(mut self, id: impl Into<Option<Arc<str>>>) -> Self {
        self.idempotency = id.into();
        self
    }

    /// Sets what the message does to a fold, so that nobody has to read that from its data.
    pub fn with_part(mut self, part: Arc<Part>) -> Self {
        self.part = Some(part);
        self
    }

    /// Sets how many subscribers the channel needs for the message to be published.
    pub fn with_min_subscribers(mut self, min_subscribers: u32) -> Self {
        self.min_subscribers = min_subscribers;
        self
    }
}

/// A message to which an engine has given its seq.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The offset in the log.
    pub seq: Seq,
    /// Milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// Online users at that moment; `None` lets the log stamp its own count.
    pub online: Option<u32>,
    /// The message as it was published.
    pub draft: Draft,
}

/// A message in the log.
#[derive(Debug)]
pub struct Message {
    /// The id.
    pub id: MessageId,
    /// Milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// Online users of the channel when it was published, where the counts are public.
    pub online: Option<u32>,
    /// The message as it was published.
    pub draft: Draft,
    /// The fold that it adds to. Once it has left the ring, its fold covers it.
    pub(crate) fold: Option<Arc<FoldMember>>,
    encoded: Mutex<Vec<(Variant, Bytes)>>,
    memory_share: MemoryShare,
}

impl Message {
    pub(crate) fn new(
        epoch: Epoch,
        stored: Stored,
        online: Option<u32>,
        memory: &Arc<MemoryBudget>,
    ) -> Self {
        let draft = stored.draft;
        let memory_share =
            MemoryShare::new(memory, size_of::<Self>() + draft.data.as_bytes().len());
        let id = MessageId { epoch, seq: stored.seq };
        let (time, fold, encoded) = (stored.time, None, Mutex::default());
        Self { id, time, online, draft, fold, encoded, memory_share }
    }

    /// Returns the event's name.
    pub fn event(&self) -> &str {
        self.draft.event.as_ref().map_or(EventName::DEFAULT, EventName::as_str)
    }

    /// Whether skip-self hides this message from `reader`, live or in a replay.
    pub fn is_hidden_from(&self, reader: &Identity) -> bool {
        self.draft.skip_self && self.draft.publisher.is_self(reader)
    }

    /// Returns the bytes of this message in `format`. The first reader encodes them, and all others
    /// share them. When memory is scarce, only fresh messages keep their bytes: a replay of old
    /// messages must not evict others.
    pub fn encoded(&self, format: &dyn Format) -> Bytes {
        let variant = format.variant();
        let mut encoded = self.encoded.lock();
        if let Some((_, bytes)) = encoded.iter().find(|(of, _)| *of == variant) {
            return bytes.clone();
        }
        let fresh = clock::unix_millis() < self.time + FRESH_MILLIS;
        let kept = fresh || self.memory_share.has_headroom();
        let bytes = format.message(self, kept);
        if kept {
            self.memory_share.grow(bytes.len());
            encoded.push((variant, bytes.clone()));
        }
        bytes
    }

    /// Returns the bytes that this message occupies now, encodings included.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_share.bytes()
    }
}
