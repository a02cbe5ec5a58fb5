//! The inbound side of a stream: what its peer sends after opening it. On the HTTP wires that is
//! nothing.

use std::{future::Future, pin::Pin};

use bytes::Bytes;

use crate::{Change, ChangeError, Changed, CloseReason, Kind, Session};

/// Decodes the bytes that a peer sends, for the owner of its socket.
pub trait Inbound: Send {
    /// Adds received bytes, which may be cut anywhere.
    fn push(&mut self, bytes: &[u8]);

    /// Returns the next event that the bytes mean to the stream. Once the stream has ended
    /// (`None`), commands are dropped, and only the peer's own close is still reported. Records
    /// everything that is complete in the session ([`Session::record_peer_activity`]).
    fn next_event(&mut self, session: Option<&mut Session>) -> InboundEvent;
}

/// An event in the bytes that a peer has sent.
pub enum InboundEvent {
    /// Nothing complete; push more bytes.
    Incomplete,
    /// A frame of the wire itself, such as a ping: send these bytes back.
    Respond(Bytes),
    /// A command. Ask for the next event when it is done, so that a peer cannot pile up work, and
    /// while the [`ReplyQueue`](crate::ReplyQueue) has room.
    Command(CommandFuture),
    /// The peer closes the connection: send these bytes back, then close.
    Close(Bytes),
    /// The peer has violated the wire's protocol: close with this reason. What follows cannot be
    /// decoded.
    Violation(CloseReason),
}

/// A command that is being run.
pub type CommandFuture = Pin<Box<dyn Future<Output = CommandOutcome> + Send>>;

/// The outcome of a command that is done.
pub enum CommandOutcome {
    /// Its result.
    Done(CommandResult),
    /// A result that comes later, such as that of a publish that has its place in the order and has
    /// yet to settle. Further commands may run meanwhile; their replies wait.
    Later(LaterResult),
}

/// A result that comes later. It may be polled on any thread, inside a runtime or not.
pub type LaterResult = Pin<Box<dyn Future<Output = CommandResult> + Send>>;

/// The result of a command: a reply to the peer, or the reason to close its connection.
pub type CommandResult = Result<Reply, CloseReason>;

/// The reply to a peer, encoded by its wire.
pub enum Reply {
    /// No frame.
    Empty,
    /// A frame.
    Frame(Bytes),
    /// A frame that refuses the command; it is counted by its kind.
    Refusal(Kind, Bytes),
    /// A change of the stream itself, and the function that encodes its result.
    Change(Box<Change>, EncodeChange),
}

/// Encodes the result of a change as a frame for the peer.
pub type EncodeChange = Box<dyn FnOnce(Result<Changed, ChangeError>) -> Bytes + Send>;

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reply::Empty => f.write_str("Empty"),
            Reply::Frame(bytes) => f.debug_tuple("Frame").field(bytes).finish(),
            Reply::Refusal(kind, _) => f.debug_tuple("Refusal").field(kind).finish(),
            Reply::Change(change, _) => f.debug_tuple("Change").field(change).finish(),
        }
    }
}

impl std::fmt::Debug for CommandOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CommandOutcome::Done(result) => f.debug_tuple("Done").field(result).finish(),
            CommandOutcome::Later(_) => f.write_str("Later"),
        }
    }
}

impl std::fmt::Debug for InboundEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            InboundEvent::Incomplete => f.write_str("Incomplete"),
            InboundEvent::Respond(bytes) => f.debug_tuple("Respond").field(bytes).finish(),
            InboundEvent::Command(_) => f.write_str("Command"),
            InboundEvent::Close(bytes) => f.debug_tuple("Close").field(bytes).finish(),
            InboundEvent::Violation(reason) => f.debug_tuple("Violation").field(reason).finish(),
        }
    }
}
