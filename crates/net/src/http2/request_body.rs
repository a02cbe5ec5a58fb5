//! Request bodies of HTTP/2.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Body, Frame};

/// A body whose window is returned as it is read.
pub(crate) struct RequestBody {
    received: RecvStream,
}

impl RequestBody {
    pub(crate) fn new(received: RecvStream) -> Self {
        Self { received }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let received = &mut self.received;
        match ready!(received.poll_data(cx)) {
            Some(Ok(data)) => {
                // The handler limits what it keeps, so bytes count as consumed once they are read.
                received.flow_control().release_capacity(data.len())?;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            // RFC 9113 §8.1: a client may stop its body so once it has the response.
            Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }
}
