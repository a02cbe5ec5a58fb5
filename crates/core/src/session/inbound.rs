//! What a peer says on its stream after it has opened it. On the HTTP wires that is nothing.

use std::{future::Future, pin::Pin};

use bytes::Bytes;

use crate::{Change, ChangeError, Changed, CloseReason, Kind, Session};

/// Makes sense of what a peer sends, for whoever owns its socket.
pub trait Inbound: Send {
    /// Takes bytes as they came, cut anywhere.
    fn push(&mut self, bytes: &[u8]);

    /// What they mean to a stream, one thing after the other. Once the stream is over (`None`) nobody is
    /// there to work for, and only the peer's own end still counts. Tells the session of each whole thing
    /// ([`Session::record_peer_activity`]).
    fn next_event(&mut self, session: Option<&mut Session>) -> InboundEvent;
}

/// What was heard.
pub enum InboundEvent {
    /// Nothing whole; push more.
    Incomplete,
    /// A question of the wire itself: send these bytes back.
    Respond(Bytes),
    /// Something to do. Hear on when it is done, so that a peer cannot pile up work.
    Command(CommandFuture),
    /// The peer ends the connection: send these bytes back, then close.
    Close(Bytes),
    /// The wire's rules are broken: say goodbye with this reason. What follows cannot be read.
    Violation(CloseReason),
}

/// Work under way.
pub type CommandFuture = Pin<Box<dyn Future<Output = CommandResult> + Send>>;

/// What comes of work: something to say to the peer, or the reason to end its connection.
pub type CommandResult = Result<Reply, CloseReason>;

/// The answer to a peer. Each wire encodes its own.
pub enum Reply {
    /// Nothing.
    Empty,
    /// A frame.
    Frame(Bytes),
    /// A frame that refuses what the peer asked for; counted by its kind.
    Refusal(Kind, Bytes),
    /// A change of the stream itself, and what encodes its result.
    Change(Box<Change>, EncodeChange),
}

/// Encodes the result of a change as the frame that tells the peer.
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
