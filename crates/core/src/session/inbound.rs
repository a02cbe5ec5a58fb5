//! What a peer says on its stream after it has opened it. On the HTTP wires that is nothing.

use std::{future::Future, pin::Pin};

use bytes::Bytes;

use crate::{AnswerShare, Change, CloseReason, Control, Session};

/// Makes sense of what a peer sends, for whoever owns its socket.
pub trait Ear: Send {
    /// Takes bytes as they came, cut anywhere.
    fn push(&mut self, bytes: &[u8]);

    /// What they mean to a stream, one thing after the other. Once the stream is over (`None`) nobody is
    /// there to work for, and only the peer's own end still counts. Tells the session of each whole thing
    /// ([`Session::heard`]).
    fn hear(&mut self, session: Option<&mut Session>) -> Heard;
}

/// What was heard.
pub enum Heard {
    /// Nothing whole; push more.
    Nothing,
    /// A question of the wire itself: send these bytes back.
    Reply(Bytes),
    /// Something to do. Hear on when it is done, so that a peer cannot pile up work.
    Work(Work),
    /// The peer ends the connection: send these bytes back, then close.
    Left(Bytes),
    /// The wire's rules are broken: say goodbye with this reason. What follows cannot be read.
    Broken(CloseReason),
}

/// Work under way.
pub type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What comes of work: something to say to the peer, or the reason to end its connection.
pub type Answer = Result<Reply, CloseReason>;

/// What is said to a peer.
#[derive(Debug)]
pub enum Reply {
    /// Nothing.
    Silence,
    /// This.
    Say(Box<Control>),
    /// This, which may be large, with its share of the memory for answers.
    SayWhole(Box<Control>, AnswerShare),
    /// The stream itself changes, and says what came of it.
    Change(Box<Change>),
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Heard::Nothing => f.write_str("Nothing"),
            Heard::Reply(bytes) => f.debug_tuple("Reply").field(bytes).finish(),
            Heard::Work(_) => f.write_str("Work"),
            Heard::Left(bytes) => f.debug_tuple("Left").field(bytes).finish(),
            Heard::Broken(reason) => f.debug_tuple("Broken").field(reason).finish(),
        }
    }
}
