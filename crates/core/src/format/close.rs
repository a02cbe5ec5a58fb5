//! Why a stream ends: one closed list with one meaning on all wires (PROTOCOL.md §4).

/// The reason in `tricast.goodbye` and in a WebSocket's close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// Every channel of the connection has ended.
    Ended = 1,
    /// The gateway is going down.
    Draining,
    /// A limit that will pass was reached.
    Overloaded,
    /// The reader fell behind the log and cannot be told in-band, or policy says so.
    Gap,
    /// The peer answers nothing.
    Unresponsive,
    /// Text that is not UTF-8.
    Malformed,
    /// A frame above the limit.
    TooLarge,
    /// Frames that break the wire's standard.
    Protocol,
    /// The token that the reader came with has ended.
    Expired,
    /// Who reads, or speaks, may not any more.
    Forbidden,
    /// An operator has ended it.
    Removed,
    /// The client itself has asked for it, to see its stream come back.
    Requested,
}

/// What a client should do after a goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reconnect {
    /// At once.
    Now,
    /// After the pause that `retry` names.
    Later,
    /// Not at all.
    Never,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [CloseReason; 12] = [
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
    ];

    /// The name on the wire.
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
        }
    }

    /// The class: what the client should do.
    pub fn reconnect(self) -> Reconnect {
        match self {
            // With a new token.
            CloseReason::Expired => Reconnect::Now,
            CloseReason::Gap | CloseReason::Unresponsive | CloseReason::Requested => Reconnect::Now,
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
