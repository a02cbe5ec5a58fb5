//! The key under which the encoded bytes of a message are shared.

use crate::Wire;

/// A variant of the encoding: everything that decides a message's bytes, and so the key under which
/// they are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The wire.
    pub wire: Wire,
    /// Whether only the data is sent, without the document (`format=raw`).
    pub raw: bool,
    /// The framing of each frame.
    pub framing: Framing,
}

/// The framing around a format's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// None: frames delimit themselves, or a library adds the framing.
    Plain,
    /// Each frame is an HTTP chunk.
    Chunks,
    /// Each message is deflated without context takeover, for clients with this window size.
    Deflated {
        /// The window size, as a power of two.
        window_bits: u8,
    },
}
