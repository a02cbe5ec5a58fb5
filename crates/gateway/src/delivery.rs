//! The generic delivery of the HTTP wires: a session as a streaming response body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tricast_core::{CloseReason, Flow, Session};

/// A body that asks its session for more only when the connection can take more.
#[derive(Debug)]
pub(crate) struct StreamBody {
    flow: Flow,
    frames: Vec<Bytes>,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// With the last chunk.
    Clean,
    /// Without it, so that the reader cannot take it for the end of the stream. What was
    /// written before, perhaps no more than the head, has to leave first.
    FlushAndCut,
    /// The same, flushed.
    Cut,
}

/// The stream broke off at a gap that its format cannot tell.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stream was cut at a gap")
    }
}

impl std::error::Error for Cut {}

impl StreamBody {
    pub(crate) fn new(session: Session) -> Self {
        Self { flow: Flow::new(session), frames: Vec::new(), end: None }
    }

    fn end_of(&self, reason: CloseReason) -> End {
        let cut = reason == CloseReason::Gap && !self.flow.session().format().tells_gaps();
        if cut { End::FlushAndCut } else { End::Clean }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let body = self.get_mut();
        if body.end.is_none() {
            let ended = ready!(body.flow.poll_next(cx, &mut body.frames));
            body.end = ended.map(|reason| body.end_of(reason));
            if let Some(joined) = join(&mut body.frames) {
                return Poll::Ready(Some(Ok(Frame::data(joined))));
            }
        }
        match body.end {
            Some(End::FlushAndCut) => {
                // hyper flushes when a body has nothing for it, and aborts at once on an error.
                body.end = Some(End::Cut);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(End::Cut) => Poll::Ready(Some(Err(Cut))),
            _ => Poll::Ready(None),
        }
    }
}

/// What waits leaves as one chunk and one write; a lone frame is passed on as it is.
fn join(frames: &mut Vec<Bytes>) -> Option<Bytes> {
    if frames.len() < 2 {
        return frames.pop();
    }
    let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.drain(..).for_each(|frame| joined.extend_from_slice(&frame));
    // An idle reader keeps no room for a backlog it once had.
    frames.shrink_to(4);
    Some(joined.freeze())
}
