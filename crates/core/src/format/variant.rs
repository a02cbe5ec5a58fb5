//! The three wires as labels: for counting, and for keys of what was encoded once.

/// How a subscriber listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Wire {
    /// Server-Sent Events.
    Sse,
    /// HTTP body of JSON lines.
    Chunked,
    /// WebSocket.
    Ws,
}

impl Wire {
    /// All of them, in the order of their index.
    pub const ALL: [Wire; 3] = [Wire::Sse, Wire::Chunked, Wire::Ws];

    /// The name in paths, metrics and documents.
    pub fn name(self) -> &'static str {
        match self {
            Wire::Sse => "sse",
            Wire::Chunked => "chunked",
            Wire::Ws => "ws",
        }
    }

    /// The place in arrays by wire.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Everything that decides a message's bytes: the key under which they are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The wire.
    pub wire: Wire,
    /// `format=raw`: the data and nothing else.
    pub raw: bool,
    /// What is around each frame.
    pub framing: Framing,
}

/// What is around a format's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Nothing: they are whole as they are, or a library adds what is needed.
    Plain,
    /// Each is an HTTP chunk.
    Chunks,
    /// Each is compressed by itself, for readers that keep so much of it.
    Deflated {
        /// How much, as a power of two.
        window_bits: u8,
    },
}
