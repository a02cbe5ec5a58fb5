//! A wire format: pure functions from what is said to bytes. All that a transport has to bring.

pub(crate) mod close;
pub(crate) mod control;
pub(crate) mod problem;
pub(crate) mod variant;
pub(crate) mod wire;

use bytes::Bytes;

use crate::{CloseReason, Control, Message, MessageId, Variant};

/// How one wire variant spells messages and control frames, framing included.
pub trait Format: Send + Sync + 'static {
    /// The key under which this format's bytes are shared.
    fn variant(&self) -> Variant;

    /// A message. `kept`: for all readers, who share these bytes; else for one of them alone, and in the cheapest
    /// way that the format has.
    fn message(&self, message: &Message, kept: bool) -> Bytes;

    /// A control frame; `None` where this format has none.
    fn control(&self, control: &Control) -> Option<Bytes>;

    /// A sign of life that tells a program nothing; `None` where this format has none. The cursor is for a wire that
    /// has a place for it there; a program learns it from [`Control::Alive`].
    fn heartbeat(&self, cursor: MessageId) -> Option<Bytes>;

    /// Whether peers answer heartbeats. They are sent then whatever else is, because they ask for a sign of
    /// life too.
    fn expects_heartbeat_replies(&self) -> bool {
        false
    }

    /// Whether a gap can be told in the stream; otherwise it ends the stream.
    fn reports_gaps(&self) -> bool;

    /// How a stream ends that has said its goodbye, for whoever writes this format's bytes to a socket
    /// of its own. Where nothing marks the end of a stream, one that breaks off has to be reset.
    fn ending(&self, reason: CloseReason) -> Ending {
        let cut = reason == CloseReason::Gap && !self.reports_gaps();
        if cut { Ending::Reset } else { Ending::Close }
    }
}

/// The last thing on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// These bytes, then the end of the connection.
    Send(Bytes),
    /// The end of the connection.
    Close,
    /// A reset.
    Reset,
}
