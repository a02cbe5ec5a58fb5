//! The engine of a log: gives messages their offsets and, depending on the engine, stores them.

pub(crate) mod feed;
pub(crate) mod idempotency;
pub(crate) mod memory;

use std::{future::Future, pin::Pin};

use crate::{
    ChannelName, Draft, Kind, MessageId, NotAccepted, Problem, Seq, Stored, TooManyChannels,
};

/// The future that an engine's methods return.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

/// The result of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message's id.
    pub id: MessageId,
    /// Connections that were subscribed.
    pub subscribers: u32,
    /// Whether this repeats an earlier publish, whose receipt this is.
    pub duplicate: bool,
}

/// Messages from an engine's store.
#[derive(Debug, Default)]
pub struct OlderMessages {
    /// Messages in order of their seq, complete above `floor`.
    pub messages: Vec<Stored>,
    /// The highest seq of the channel that the engine no longer has, or was not asked for.
    pub floor: Seq,
}

/// The error of an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The limit of channels is reached.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// The log did not accept the message.
    #[error(transparent)]
    NotAccepted(#[from] NotAccepted),
    /// The engine's storage or broker cannot be reached.
    #[error("the engine is unavailable: {0}")]
    Unavailable(String),
}

impl Problem for EngineError {
    fn kind(&self) -> Kind {
        match self {
            EngineError::TooManyChannels(error) => error.kind(),
            EngineError::NotAccepted(error) => error.kind(),
            EngineError::Unavailable(_) => Kind::Unavailable,
        }
    }
}

/// A source of messages: numbers them, stores them, and feeds them to the [`Log`](crate::Log) that
/// it was made with.
///
/// The feed is ordered: [`accept`](crate::Log::accept) in order of seq, and only when no lower seq
/// can still appear for an occupied channel; [`advance`](crate::Log::advance) over the rest. A
/// node's own publishes come back through the feed too, so that there is one path and one order.
///
/// The trait is made for engines that several nodes share. Such an engine feeds a node only the
/// channels that are occupied there, and fills gaps from its store. [`MemoryEngine`] needs none of
/// that: it implements only [`append`](Self::append).
///
/// [`MemoryEngine`]: crate::MemoryEngine
pub trait Engine: Send + Sync + 'static {
    /// Appends a message. Completes once the message has its seq and is as durable as this engine
    /// makes it. A repeated idempotency id gets the receipt of its first publish, whatever else is
    /// different.
    fn append(&self, draft: Draft) -> EngineFuture<'_, Receipt>;

    /// Begins to feed `channel`. Completes once its ring buffer gets every message from here on.
    /// If the ring has missed messages before, the engine first calls
    /// [`invalidate_up_to`](crate::Log::invalidate_up_to). Calls are counted: each is undone by one
    /// [`close_feed`](Self::close_feed).
    fn open_feed<'a>(&'a self, channel: &'a ChannelName) -> EngineFuture<'a, ()>;

    /// Undoes one [`open_feed`](Self::open_feed).
    fn close_feed(&self, channel: &ChannelName);

    /// Reads stored messages of `channel` above `after`, up to and including `until`. `None` means
    /// that this engine stores nothing beyond the ring buffers.
    fn history<'a>(
        &'a self,
        channel: &'a ChannelName,
        after: Seq,
        until: Seq,
    ) -> EngineFuture<'a, Option<OlderMessages>>;
}
