//! HTTP/1.1 chunks (RFC 9112 §7.1) around the frames of a format, for bodies that are sent without
//! an HTTP library.

use bytes::Bytes;
use tricast_core::{CloseReason, Control, Ending, Format, Framing, Message, MessageId, Variant};

/// The last chunk, without trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A format whose every frame is a chunk of its own.
pub struct ChunkFramed(&'static dyn Format);

impl ChunkFramed {
    /// Puts the frames of `format` into chunks.
    pub const fn new(format: &'static dyn Format) -> Self {
        Self(format)
    }
}

impl std::fmt::Debug for ChunkFramed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ChunkFramed").field(&self.0.variant()).finish()
    }
}

impl Format for ChunkFramed {
    fn variant(&self) -> Variant {
        Variant { framing: Framing::Chunks, ..self.0.variant() }
    }

    fn message(&self, message: &Message, shared: bool) -> Bytes {
        chunk(&self.0.message(message, shared))
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        self.0.control(control).as_deref().map(chunk)
    }

    fn heartbeat(&self, cursor: MessageId) -> Option<Bytes> {
        self.0.heartbeat(cursor).as_deref().map(chunk)
    }

    fn reports_gaps(&self) -> bool {
        self.0.reports_gaps()
    }

    /// Ends the body with its last chunk. A body that has to break off lacks it; that is enough for
    /// a client to notice, so the connection is closed and not reset.
    fn ending(&self, reason: CloseReason) -> Ending {
        match self.0.ending(reason) {
            Ending::Reset => Ending::Close,
            _ => Ending::Send(Bytes::from_static(LAST_CHUNK)),
        }
    }
}

fn chunk(frame: &[u8]) -> Bytes {
    [format!("{:X}\r\n", frame.len()).as_bytes(), frame, b"\r\n"].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_chunk_with_its_length_in_hex() {
        assert_eq!(chunk(b"x\n"), &b"2\r\nx\n\r\n"[..]);
        let long = chunk(&[b'x'; 4095]);
        assert!(long.starts_with(b"FFF\r\nx") && long.ends_with(b"x\r\n"));
        assert_eq!(long.len(), 5 + 4095 + 2);
    }
}
