//! HTTP/1.1 chunks (RFC 9112 §7.1) around a format's frames, for bodies that we write ourselves.

use bytes::Bytes;
use tricast_core::{CloseReason, Control, Ending, Format, Framing, Message, MessageId, Variant};

/// The last chunk, and no trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Each frame of another format as a chunk of its own.
pub(crate) struct ChunkFramed(&'static dyn Format);

/// The HTTP wires in chunks.
pub(crate) static SSE: ChunkFramed = ChunkFramed(&tricast_sse::JSON);
pub(crate) static RAW_SSE: ChunkFramed = ChunkFramed(&tricast_sse::RAW);
pub(crate) static CHUNKED: ChunkFramed = ChunkFramed(&tricast_chunked::JSON);
pub(crate) static RAW_CHUNKED: ChunkFramed = ChunkFramed(&tricast_chunked::RAW);

impl Format for ChunkFramed {
    fn variant(&self) -> Variant {
        Variant { framing: Framing::Chunks, ..self.0.variant() }
    }

    fn message(&self, message: &Message, kept: bool) -> Bytes {
        chunk(&self.0.message(message, kept))
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

    /// A body that breaks off lacks its last chunk; that is all it takes to notice.
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

    #[test]
    fn a_body_ends_with_its_last_chunk_unless_it_breaks_off() {
        let last = Ending::Send(Bytes::from_static(b"0\r\n\r\n"));
        for format in [&SSE, &RAW_SSE, &CHUNKED, &RAW_CHUNKED] {
            assert_eq!(format.ending(CloseReason::Ended), last);
            let gap = if format.reports_gaps() { &last } else { &Ending::Close };
            assert_eq!(&format.ending(CloseReason::Gap), gap);
            assert_eq!(format.variant().framing, Framing::Chunks);
        }
    }
}
