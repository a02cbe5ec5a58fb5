//! The engine of a log: gives messages their offsets and, depending on the engine, stores them.

pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod idempotency;
pub(crate) mod memory;
pub(crate) mod ticket;

use std::{future::Future, pin::Pin};

use crate::{
    ChannelName, Draft, EngineError, Health, Lease, Locate, Located, MessageId, ReadRequest, Ticket,
};

/// The future that an engine's methods return.
pub type EngineFuture<T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send>>;

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

/// A source of messages: numbers them, stores them, and makes them visible in the
/// [`Log`](crate::Log) that it was made with.
///
/// The feed is ordered: [`accept_all`](crate::Log::accept_all) in order of seq, and only when no
/// lower seq can still appear; [`advance`](crate::Log::advance) over seqs without a message. A
/// node's own publishes come back through the feed too, so that there is one path and one order.
///
/// The rings are a suffix of the log. An engine that stores more says so with
/// [`set_extent`](crate::Log::set_extent), and is asked for what lies below the rings of a reader,
/// in portions. Nothing is ever put back into a ring.
///
/// Futures that an engine returns may be polled on any thread, inside a runtime or not; an engine
/// that waits for something does so on threads or tasks of its own.
pub trait Engine: Send + Sync + 'static {
    /// Puts a message into the order, and returns a ticket that settles once the message is
    /// visible and as durable as this engine makes it. Whatever can refuse the message refuses it
    /// before it has a seq. A repeated idempotency id gets the receipt of its first publish,
    /// whatever else is different; while the first is on its way, the repeat shares its fate.
    fn append(&self, draft: Draft) -> Ticket;

    /// Reads the next portion of what lies below the rings. An engine without a store is never
    /// asked.
    fn read(&self, request: ReadRequest) -> EngineFuture<Lease>;

    /// Answers questions about channels, one answer for each. An engine without a store is never
    /// asked.
    fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>>;

    /// Erases the messages of a channel that have their place in the order by now: no new reader
    /// gets them, and who resumes below them is told a gap. Returns the position up to which they
    /// are erased, once that is as durable as a message would be.
    fn erase(&self, channel: ChannelName) -> EngineFuture<MessageId>;

    /// Returns whether messages can be published.
    fn health(&self) -> Health;

    /// Ends the engine: settles every ticket, makes what is settled durable, and refuses what
    /// comes later. Part of the drain; what is stored can still be read.
    fn close(&self) -> EngineFuture<()>;
}
