//! The generic delivery over HTTP: a session as a streaming response body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::http::Version;
use bytes::Bytes;
use http_body::{Body, Frame};
use tricast_core::{CloseReason, Flow, FlowStep, Session, StreamAborted};
use tricast_net::ConnHandle;

/// A body that reads from its session only when the connection can take more (backpressure).
#[derive(Debug)]
pub(crate) struct StreamBody {
    flow: Flow,
    conn: Option<ConnHandle>,
    /// The protocol is HTTP/1.0: the body ends with the connection.
    end_delimited: bool,
    end: Option<BodyEnd>,
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

impl StreamBody {
    /// Creates the body of a response in `version` over `conn`.
    pub(crate) fn new(session: Session, conn: Option<ConnHandle>, version: Version) -> Self {
        let end_delimited = version < Version::HTTP_11;
        Self { flow: Flow::new(session), conn, end_delimited, end: None }
    }

    fn end_for(&self, reason: CloseReason) -> BodyEnd {
        if self.flow.breaks_off(reason) { BodyEnd::FlushThenAbort } else { BodyEnd::Clean }
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
            if let Some(chunk) = body.flow.next_chunk() {
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
            match ready!(body.flow.poll_step(cx)) {
                FlowStep::End(reason) => body.end = Some(body.end_for(reason)),
                FlowStep::Heartbeat
                    if body.conn.as_ref().is_some_and(ConnHandle::peer_has_closed) =>
                {
                    return Poll::Ready(Some(Err(StreamAborted)));
                }
                FlowStep::Heartbeat | FlowStep::More => {}
            }
        }
    }
}
