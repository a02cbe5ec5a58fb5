//! How a stream ended: one closed list for the metrics and the webhook, on all wires
//! (ops/METRICS.md).

use std::io;

use crate::CloseReason;

/// The one way in which a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The gateway ended it, for this reason.
    Closed(CloseReason),
    /// The client closed its connection, its WebSocket or its HTTP/2 stream.
    Left,
    /// Its socket took no byte for so long that the gateway gave the client up.
    Stalled,
    /// The connection broke: it was reset, or the network failed.
    Cut,
}

impl StreamEnd {
    /// All ends, in the order of their index.
    pub const ALL: [StreamEnd; CloseReason::ALL.len() + 3] = {
        let mut all = [StreamEnd::Left; CloseReason::ALL.len() + 3];
        let mut index = 0;
        while index < CloseReason::ALL.len() {
            all[index] = StreamEnd::Closed(CloseReason::ALL[index]);
            index += 1;
        }
        all[index + 1] = StreamEnd::Stalled;
        all[index + 2] = StreamEnd::Cut;
        all
    };

    /// Returns the name in metrics and documents.
    pub fn name(self) -> &'static str {
        match self {
            StreamEnd::Closed(reason) => reason.name(),
            StreamEnd::Left => "left",
            StreamEnd::Stalled => "stalled",
            StreamEnd::Cut => "cut",
        }
    }

    /// Returns the end of a stream whose connection failed with an error of this kind.
    ///
    /// A write after the client's FIN is a broken pipe. After a reset without a FIN it is another
    /// error.
    pub fn of_error(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => StreamEnd::Left,
            // The kernel has waited for the peer as long as we would have (TCP_USER_TIMEOUT).
            io::ErrorKind::TimedOut => StreamEnd::Stalled,
            _ => StreamEnd::Cut,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            StreamEnd::Closed(reason) => reason as usize - 1,
            StreamEnd::Left => CloseReason::ALL.len(),
            StreamEnd::Stalled => CloseReason::ALL.len() + 1,
            StreamEnd::Cut => CloseReason::ALL.len() + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_end_has_its_own_index_and_name() {
        for (index, end) in StreamEnd::ALL.into_iter().enumerate() {
            assert_eq!(end.index(), index, "{end:?}");
        }
        let names: BTreeSet<_> = StreamEnd::ALL.map(StreamEnd::name).into();
        assert_eq!(names.len(), StreamEnd::ALL.len());
    }
}
