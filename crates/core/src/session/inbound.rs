//! What a peer says on its stream after it has opened it. On the HTTP wires that is nothing.

use std::{future::Future, pin::Pin};

use bytes::Bytes;

use crate::{AnswerReservation, Change, CloseReason, Control, Session};

/// Makes sense of what a peer sends, for whoever owns its socket.
pub trait Inbound: Send {
    /// Takes bytes as they came, cut anywhere.
    fn push(&mut self, bytes: &[u8]);

    /// What they mean to a stream, one thing after the other. Once the stream is over (`None`) nobody is
    /// there to work for, and only the peer's own end still counts. Tells the session of each whole thing
    /// ([`Session::heard`]).
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

/// What is said to a peer.
#[derive(Debug)]
pub enum Reply {
    /// Nothing.
    Empty,
    /// This.
    Frame(Box<Control>),
    /// This, which may be large, with its share of the memory for answers.
    LargeFrame(Box<Control>, AnswerReservation),
    /// The stream itself changes, and says what came of it.
    Change(Box<Change>),
}

impl std::fmt::Debug for InboundEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            InboundEvent::Incomplete => f.write_str("Nothing"),
            InboundEvent::Respond(bytes) => f.debug_tuple("Reply").field(bytes).finish(),
            InboundEvent::Command(_) => f.write_str("Work"),
            InboundEvent::Close(bytes) => f.debug_tuple("Left").field(bytes).finish(),
            InboundEvent::Violation(reason) => f.debug_tuple("Broken").field(reason).finish(),
        }
    }
}
