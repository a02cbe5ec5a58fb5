//! The wires of a gateway.

use serde::Serialize;

/// A wire on which a stream can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wire {
    Sse,
    Chunked,
    Ws,
}

impl Wire {
    pub(crate) const ALL: [Wire; 3] = [Wire::Sse, Wire::Chunked, Wire::Ws];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Wire::Sse => "sse",
            Wire::Chunked => "chunked",
            Wire::Ws => "ws",
        }
    }
}
