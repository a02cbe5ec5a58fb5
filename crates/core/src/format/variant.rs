//! The key under which the bytes of a message are shared.

use crate::Wire;

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
