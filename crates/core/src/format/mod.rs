//! A wire format: pure functions from messages and control frames to bytes. It is all that a
//! transport has to implement.

pub(crate) mod close;
pub(crate) mod control;
pub(crate) mod problem;
pub(crate) mod stream_end;
pub(crate) mod variant;
pub(crate) mod wire;

use bytes::Bytes;

use crate::{CloseReason, Control, Message, MessageId, Variant};

/// Encodes messages and control frames for one wire variant, framing included.
pub trait Format: Send + Sync + 'static {
    /// Returns the key under which this format's encoded messages are shared.
    fn variant(&self) -> Variant;

    /// Encodes a message. If `kept`, all readers share these bytes; otherwise they are for one
    /// reader alone, and the format encodes them in its cheapest way.
    fn message(&self, message: &Message, kept: bool) -> Bytes;

    /// Encodes a control frame; returns `None` if this format does not have it.
    fn control(&self, control: &Control) -> Option<Bytes>;

    /// Encodes a heartbeat that programs do not see, such as a comment or a ping; returns `None` if
    /// this format has none. The cursor is for a wire that can carry it there; a program gets it
    /// from [`Control::Alive`].
    fn heartbeat(&self, cursor: MessageId) -> Option<Bytes>;

    /// Whether peers answer heartbeats. If so, heartbeats are sent even among messages, because
    /// they also check that the peer is alive.
    fn expects_heartbeat_replies(&self) -> bool {
        false
    }

    /// Whether the stream can report a gap; otherwise a gap ends the stream.
    fn reports_gaps(&self) -> bool;

    /// Returns the end of a connection after the goodbye, for a transport that writes this format's
    /// bytes to a socket of its own. If nothing in the format marks the end of a stream, a stream
    /// that breaks off has to be reset.
    fn ending(&self, reason: CloseReason) -> Ending {
        let cut = reason == CloseReason::Gap && !self.reports_gaps();
        if cut { Ending::Reset } else { Ending::Close }
    }
}

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Send these bytes, then close the connection.
    Send(Bytes),
    /// Close the connection.
    Close,
    /// Reset the connection.
    Reset,
}
