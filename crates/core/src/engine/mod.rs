//! The engine behind the log: where messages get their place and, with some engines, last longer.

pub(crate) mod feed;
pub(crate) mod idempotency;
pub(crate) mod memory;

use std::{future::Future, pin::Pin};

use crate::{
    ChannelName, Draft, Kind, MessageId, NotAccepted, Problem, Seq, Stored, TooManyChannels,
};

/// What an engine promises to do.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message's id.
    pub id: MessageId,
    /// Connections that listened.
    pub subscribers: u32,
    /// It repeats an earlier publish, whose receipt this is.
    pub duplicate: bool,
}

/// Messages from an engine's store.
#[derive(Debug, Default)]
pub struct OlderMessages {
    /// In order, and complete above `floor`.
    pub messages: Vec<Stored>,
    /// The highest seq of the channel that the engine has let go, or was not asked for.
    pub floor: Seq,
}

/// The engine could not do it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A limit.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// The log did not take the message.
    #[error(transparent)]
    NotAccepted(#[from] NotAccepted),
    /// What it rests on is away.
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

/// Numbers messages, keeps them, and feeds them to a [`Log`](crate::Log) that it was made with.
///
/// The feed is ordered: [`accept`](crate::Log::accept) in order of seq, and only when no lower
/// seq can still appear for a channel that somebody listens to; [`advance`](crate::Log::advance) over the rest. What a node
/// publishes itself comes back the same way, so that there is one path and one order.
pub trait Engine: Send + Sync + 'static {
    /// Appends, and answers once the message has its seq and cannot be lost by this engine. A repeat
    /// of an idempotency id gets its first receipt, whatever else has changed since.
    fn append(&self, draft: Draft) -> EngineFuture<'_, Receipt>;

    /// Begins to feed `channel`; done when its ring hears everything from here on, and
    /// [`cold`](crate::Log::cold) has been called if it has missed something before. Calls are counted: each is
    /// undone by one [`unlisten`](Self::unlisten).
    fn open_feed<'a>(&'a self, channel: &'a ChannelName) -> EngineFuture<'a, ()>;

    /// Undoes one [`listen`](Self::listen).
    fn close_feed(&self, channel: &ChannelName);

    /// Reads back messages of `channel` above `after` and at or below `until`. `None`: this
    /// engine keeps nothing that the rings do not hold.
    fn history<'a>(
        &'a self,
        channel: &'a ChannelName,
        after: Seq,
        until: Seq,
    ) -> EngineFuture<'a, Option<OlderMessages>>;
}
