//! The generic delivery over HTTP: a session as a streaming response body.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::http::Version;
use bytes::Bytes;
use http_body::{Body, Frame};
use tricast_core::{CloseReason, Flow, FlowStep, Session, StreamAborted, StreamEnd};
use tricast_net::{ConnHandle, StreamStall};

/// A body that reads from its session only when the connection can take more (backpressure).
#[derive(Debug)]
pub(crate) struct StreamBody {
    flow: Flow,
    transport: Transport,
    /// The protocol is HTTP/1.0: the body ends with the connection.
    end_delimited: bool,
    end: Option<BodyEnd>,
    translation: Option<Translation>,
}

/// Makes another protocol of the lines of a stream.
pub(crate) trait Translator: fmt::Debug + Send {
    /// Appends what these lines mean. Returns the end, after which nothing follows.
    fn translate(&mut self, lines: &[u8], out: &mut Vec<u8>) -> Option<TranslatedEnd>;

    /// Appends what is to be said of a stream that has ended by itself.
    fn close(&mut self, out: &mut Vec<u8>) -> TranslatedEnd;
}

/// The end of a translated body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TranslatedEnd {
    /// With the last chunk.
    Clean,
    /// Without it, so that nobody takes it for the end.
    Cut,
}

#[derive(Debug)]
struct Translation {
    translator: Box<dyn Translator>,
    is_over: bool,
}

/// The transport of a body, which knows why it is dropped.
#[derive(Debug)]
pub(crate) enum Transport {
    /// A connection of its own, until it ends.
    Http1(ConnHandle),
    /// A stream on a connection that it shares, and whose state it must not change.
    Http2(ConnHandle, StreamStall),
    /// A response without a connection.
    None,
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
    /// Creates the body of a response in `version` over `transport`.
    pub(crate) fn new(session: Session, transport: Transport, version: Version) -> Self {
        let end_delimited = version < Version::HTTP_11;
        transport.own_conn().into_iter().for_each(ConnHandle::begin_stream);
        let flow = Flow::new(session);
        Self { flow, transport, end_delimited, end: None, translation: None }
    }

    /// Has the body translated; the format of its session is that of JSON lines.
    pub(crate) fn translated(mut self, translator: Box<dyn Translator>) -> Self {
        self.translation = Some(Translation { translator, is_over: false });
        self
    }

    /// Returns the next bytes that are there to be written.
    fn next_output(&mut self) -> Option<Bytes> {
        loop {
            let chunk = self.flow.next_chunk();
            let Some(Translation { translator, is_over }) = &mut self.translation else {
                return chunk;
            };
            let mut out = Vec::new();
            let end = match chunk {
                Some(_) if *is_over => continue,
                Some(lines) => translator.translate(&lines, &mut out),
                None if self.end.is_some() && !*is_over => Some(translator.close(&mut out)),
                None => return None,
            };
            if let Some(end) = end {
                *is_over = true;
                self.end = Some(match end {
                    TranslatedEnd::Clean => BodyEnd::Clean,
                    TranslatedEnd::Cut => BodyEnd::FlushThenAbort,
                });
            }
            if !out.is_empty() {
                return Some(out.into());
            }
        }
    }

    fn end_for(&self, reason: CloseReason) -> BodyEnd {
        if self.flow.breaks_off(reason) { BodyEnd::FlushThenAbort } else { BodyEnd::Clean }
    }
}

impl Transport {
    /// Returns the connection that ends with the body.
    fn own_conn(&self) -> Option<&ConnHandle> {
        match self {
            Transport::Http1(conn) => Some(conn),
            Transport::Http2(..) | Transport::None => None,
        }
    }

    /// Returns how it ended; `None` if it shows no end.
    fn end(&self) -> Option<StreamEnd> {
        match self {
            Transport::Http1(conn) => conn.end(),
            Transport::Http2(_, stall) if stall.occurred() => Some(StreamEnd::Stalled),
            Transport::Http2(conn, _) => conn.end(),
            Transport::None => None,
        }
    }
}

/// The HTTP library drops a body without a word when the client has left or the connection has
/// failed.
impl Drop for StreamBody {
    fn drop(&mut self) {
        if let Some(end) = self.transport.end() {
            self.flow.session_mut().record_end(end);
        }
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
            if let Some(chunk) = body.next_output() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match body.end {
                Some(BodyEnd::Clean) => {
                    body.transport.own_conn().into_iter().for_each(ConnHandle::end_stream);
                    return Poll::Ready(None);
                }
                Some(abort) => {
                    // hyper flushes when a body is pending, and aborts at once on an error. A flush
                    // that is incomplete leaves the socket not writable.
                    let conn = body.transport.own_conn();
                    let writable = conn.map(|conn| conn.poll_writable(cx));
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
                        conn.into_iter().for_each(ConnHandle::reset_on_close);
                    }
                    return Poll::Ready(Some(Err(StreamAborted)));
                }
                None => {}
            }
            match ready!(body.flow.poll_step(cx)) {
                FlowStep::End(reason) => body.end = Some(body.end_for(reason)),
                FlowStep::Heartbeat | FlowStep::More => {}
            }
        }
    }
}
