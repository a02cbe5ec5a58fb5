//! Close reasons: one closed list, with one meaning on all wires (PROTOCOL.md §4).

/// The reason for the end of a stream, in `tricast.goodbye` and in a WebSocket's close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// Every channel of the connection has ended.
    Ended = 1,
    /// The gateway is shutting down.
    Draining,
    /// The gateway has reached a limit for now.
    Overloaded,
    /// The reader is a slow consumer and has lost messages; its wire cannot report gaps, or its
    /// channel's policy is to disconnect.
    Gap,
    /// The peer does not answer heartbeats.
    Unresponsive,
    /// The peer sent text that is not UTF-8.
    Malformed,
    /// The peer sent a frame above the size limit.
    TooLarge,
    /// The peer violated the wire's protocol.
    Protocol,
    /// The token of the reader has expired.
    Expired,
    /// The reader, or the publisher, no longer has permission.
    Forbidden,
    /// An operator has closed the stream.
    Removed,
    /// The client itself has requested it, to see its stream reconnect.
    Requested,
    /// The log has begun another epoch: ids that the client has cannot be resumed exactly.
    Epoch,
}

/// The class of a goodbye, by which a client decides whether to reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reconnect {
    /// Reconnect at once.
    Now,
    /// Reconnect after the delay in `retry`.
    Later,
    /// Do not reconnect.
    Never,
}

impl CloseReason {
    /// All reasons.
    pub const ALL: [CloseReason; 13] = [
        CloseReason::Ended,
        CloseReason::Draining,
        CloseReason::Overloaded,
        CloseReason::Gap,
        CloseReason::Unresponsive,
        CloseReason::Malformed,
        CloseReason::TooLarge,
        CloseReason::Protocol,
        CloseReason::Expired,
        CloseReason::Forbidden,
        CloseReason::Removed,
        CloseReason::Requested,
        CloseReason::Epoch,
    ];

    /// Returns the name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::Ended => "ended",
            CloseReason::Draining => "draining",
            CloseReason::Overloaded => "overloaded",
            CloseReason::Gap => "gap",
            CloseReason::Unresponsive => "unresponsive",
            CloseReason::Malformed => "malformed",
            CloseReason::TooLarge => "too-large",
            CloseReason::Protocol => "protocol",
            CloseReason::Expired => "expired",
            CloseReason::Forbidden => "forbidden",
            CloseReason::Removed => "removed",
            CloseReason::Requested => "requested",
            CloseReason::Epoch => "epoch",
        }
    }

    /// Returns the class, which says whether the client should reconnect.
    pub fn reconnect(self) -> Reconnect {
        match self {
            // With a new token.
            CloseReason::Expired => Reconnect::Now,
            CloseReason::Gap
            | CloseReason::Unresponsive
            | CloseReason::Requested
            | CloseReason::Epoch => Reconnect::Now,
            CloseReason::Draining | CloseReason::Overloaded => Reconnect::Later,
            CloseReason::Ended
            | CloseReason::Malformed
            | CloseReason::TooLarge
            | CloseReason::Protocol
            | CloseReason::Forbidden
            | CloseReason::Removed => Reconnect::Never,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_its_code() {
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::from_code(reason as u8), Some(reason));
        }
        assert_eq!(CloseReason::from_code(0), None);
    }
}
