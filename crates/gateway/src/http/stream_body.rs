//! The generic delivery over HTTP: a session as a streaming response body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::http::Version;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tricast_core::{CloseReason, Flow, Session, Step};

use tricast_net::ConnHandle;

/// Largest chunk that is joined from small frames. Larger frames are passed on as they are, shared
/// by all readers, so that a reader that stalls holds no copy of its own.
const CHUNK: usize = 16 * 1024;

/// A body that reads from its session only when the connection can take more (backpressure).
#[derive(Debug)]
pub(crate) struct StreamBody {
    flow: Flow,
    conn: Option<ConnHandle>,
    /// The protocol is HTTP/1.0: the body ends with the connection.
    end_delimited: bool,
    buffer: ChunkBuffer,
    end: Option<BodyEnd>,
}

/// Frames that were read from the session and wait to be passed on.
#[derive(Debug, Default)]
struct ChunkBuffer {
    frames: Vec<Bytes>,
    /// Number of frames that were passed on already.
    sent: usize,
}

#[derive(Clone, Copy, Debug)]
enum BodyEnd {
    /// Ends with the last chunk.
    Clean,
    /// Ends without the last chunk, so that the reader cannot take it for the end of the stream.
    /// Bytes that were written before, perhaps only the head, have to be flushed first.
    FlushThenAbort,
    /// The same, after the HTTP library had a chance to flush.
    Flushed,
}

/// The stream is aborted: at a gap that its format cannot report, or because the peer has gone.
#[derive(Debug)]
pub(crate) struct StreamAborted;

impl std::fmt::Display for StreamAborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stream was aborted")
    }
}

impl std::error::Error for StreamAborted {}

impl StreamBody {
    /// Creates the body of a response in `version` over `conn`.
    pub(crate) fn new(session: Session, conn: Option<ConnHandle>, version: Version) -> Self {
        let end_delimited = version < Version::HTTP_11;
        let buffer = ChunkBuffer::default();
        Self { flow: Flow::new(session), conn, end_delimited, buffer, end: None }
    }

    fn end_for(&self, reason: CloseReason) -> BodyEnd {
        let aborts = reason == CloseReason::Gap && !self.flow.session().format().reports_gaps();
        if aborts { BodyEnd::FlushThenAbort } else { BodyEnd::Clean }
    }
}

impl ChunkBuffer {
    /// Joins and returns the next chunk.
    fn next_chunk(&mut self) -> Option<Bytes> {
        let unsent = &self.frames[self.sent..];
        let mut size = 0;
        let fits = |frame: &&Bytes| {
            size += frame.len();
            size <= CHUNK
        };
        let count = unsent.iter().take_while(fits).count().max(1).min(unsent.len());
        let chunk = match &unsent[..count] {
            [] => None,
            [one] => Some(one.clone()),
            several => {
                let mut joined = BytesMut::with_capacity(several.iter().map(Bytes::len).sum());
                several.iter().for_each(|frame| joined.extend_from_slice(frame));
                Some(joined.freeze())
            }
        };
        self.sent += count;
        if self.sent == self.frames.len() {
            self.sent = 0;
            self.frames.clear();
            // An idle reader does not keep the memory of an earlier backlog.
            self.frames.shrink_to(4);
        }
        chunk
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = StreamAborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamAborted>>> {
        let body = self.get_mut();
        loop {
            if let Some(chunk) = body.buffer.next_chunk() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match body.end {
                Some(BodyEnd::Clean) => {
                    body.conn.iter().for_each(ConnHandle::close_if_bytes_discarded);
                    return Poll::Ready(None);
                }
                Some(abort) => {
                    // hyper flushes when a body is pending, and aborts at once on an error. A flush
                    // that is incomplete leaves the socket not writable.
                    let writable = body.conn.as_ref().map(|conn| conn.poll_writable(cx));
                    if writable.is_some_and(|writable| writable.is_pending()) {
                        body.end = Some(BodyEnd::FlushThenAbort);
                        return Poll::Pending;
                    }
                    if matches!(abort, BodyEnd::FlushThenAbort) {
                        body.end = Some(BodyEnd::Flushed);
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    // If the body ends with the connection, only a reset shows that it is
                    // incomplete.
                    if body.end_delimited {
                        body.conn.iter().for_each(ConnHandle::reset_on_close);
                    }
                    return Poll::Ready(Some(Err(StreamAborted)));
                }
                None => {}
            }
            match ready!(body.flow.poll_next(cx, &mut body.buffer.frames)) {
                Step::End(reason) => body.end = Some(body.end_for(reason)),
                Step::Heartbeat if body.conn.as_ref().is_some_and(ConnHandle::peer_has_closed) => {
                    return Poll::Ready(Some(Err(StreamAborted)));
                }
                Step::Heartbeat | Step::More | Step::Wait(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_are_joined_and_large_ones_passed_on_without_a_copy() {
        let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![b'x'; 100_000]));
        let frames = vec![small.clone(), small.clone(), large.clone(), small.clone()];
        let mut buffer = ChunkBuffer { frames, sent: 0 };
        assert_eq!(buffer.next_chunk().as_deref(), Some(&b"smallsmall"[..]));
        assert_eq!(buffer.next_chunk().map(|chunk| chunk.as_ptr()), Some(large.as_ptr()));
        assert_eq!(buffer.next_chunk().map(|chunk| chunk.as_ptr()), Some(small.as_ptr()));
        assert_eq!(buffer.next_chunk(), None);
        assert!(buffer.frames.is_empty());
    }

    #[test]
    fn no_chunk_of_joined_frames_is_larger_than_it_should_be() {
        let mut buffer = ChunkBuffer { frames: vec![Bytes::from(vec![0; 3000]); 100], sent: 0 };
        let sizes: Vec<_> = std::iter::from_fn(|| buffer.next_chunk()).map(|c| c.len()).collect();
        assert!(sizes.iter().all(|size| *size <= CHUNK), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 300_000);
    }
}
