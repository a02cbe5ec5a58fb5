//! The formats of the HTTP wires in chunks, for bodies that are sent without hyper.

use tricast_chunked::ChunkFramed;

pub(crate) static SSE: ChunkFramed = ChunkFramed::new(&tricast_sse::JSON);
pub(crate) static RAW_SSE: ChunkFramed = ChunkFramed::new(&tricast_sse::RAW);
pub(crate) static CHUNKED: ChunkFramed = ChunkFramed::new(&tricast_chunked::JSON);
pub(crate) static RAW_CHUNKED: ChunkFramed = ChunkFramed::new(&tricast_chunked::RAW);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tricast_core::{CloseReason, Ending, Format as _, Framing};

    use super::*;

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
