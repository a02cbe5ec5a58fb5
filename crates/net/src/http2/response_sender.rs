//! Sends responses over HTTP/2, within the flow-control window and for as long as the client reads.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::body::Body;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use metrics::Counter;
use tokio::time::{Sleep, sleep};
use tricast_core::has_overslept;

use crate::http2::{
    SEND_BUFFER, StreamStall,
    flow_control::{CHECK_INTERVAL, FlowControl},
};

/// The shared state of the responses of one connection.
pub(crate) struct ResponseSender {
    pub(crate) flow_control: Arc<FlowControl>,
    pub(crate) stalled: Counter,
    pub(crate) stall: StreamStall,
}

/// The send side of one stream.
pub(crate) struct SendWindow {
    send: SendStream<Bytes>,
    stream: u32,
    flow_control: Arc<FlowControl>,
    stalled: Counter,
    stall: StreamStall,
    /// Runs only while the stream waits for the window.
    stall_timer: Option<Pin<Box<Sleep>>>,
}

impl ResponseSender {
    pub(crate) fn open_window(self, send: SendStream<Bytes>) -> SendWindow {
        let stream = send.stream_id().as_u32();
        self.flow_control.open(stream);
        SendWindow {
            send,
            stream,
            flow_control: self.flow_control,
            stalled: self.stalled,
            stall: self.stall,
            stall_timer: None,
        }
    }

    /// Sends a body to its end, or until the client resets the stream.
    pub(crate) async fn send(self, body: Body, send: SendStream<Bytes>) {
        let mut window = self.open_window(send);
        let mut body = pin!(body);
        // A client may leave at any time, which is no error.
        let _ = window.send_all(body.as_mut()).await;
    }
}

impl SendWindow {
    async fn send_all(&mut self, mut body: Pin<&mut Body>) -> io::Result<()> {
        loop {
            // A body is polled only when there is window (backpressure): until then it can still
            // replace messages by a gap.
            poll_fn(|cx| self.poll_allowance(cx, 1)).await?;
            let frame = poll_fn(|cx| {
                if let Poll::Ready(error) = self.poll_reset(cx) {
                    return Poll::Ready(Err(error));
                }
                body.as_mut().poll_frame(cx).map(Ok)
            });
            match frame.await? {
                Some(Ok(frame)) => {
                    let Ok(mut data) = frame.into_data() else { continue };
                    while !data.is_empty() {
                        let room = poll_fn(|cx| self.poll_allowance(cx, data.len())).await?;
                        self.send(data.split_to(room.min(data.len())))?;
                    }
                }
                Some(Err(_)) => {
                    self.send.send_reset(Reason::INTERNAL_ERROR);
                    return Ok(());
                }
                None => return self.end(),
            }
        }
    }

    /// Sends data that fits into the window.
    pub(crate) fn send(&mut self, data: Bytes) -> io::Result<usize> {
        let bytes = data.len();
        self.flow_control.add_queued(self.stream, bytes);
        self.send.send_data(data, false).map_err(broken)?;
        Ok(bytes)
    }

    /// Waits until the stream may send, and returns how many of `wanted` bytes.
    pub(crate) fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(room) = self.poll_capacity(cx, wanted) {
            if self.stall_timer.take().is_some() {
                self.flow_control.clear_wait(self.stream);
            }
            return Poll::Ready(room);
        }
        if let Poll::Ready(error) = self.poll_reset(cx) {
            return Poll::Ready(Err(error));
        }
        loop {
            let timer = self.stall_timer.get_or_insert_with(|| Box::pin(sleep(CHECK_INTERVAL)));
            ready!(timer.as_mut().poll(cx));
            let (due, now) = (timer.deadline().into_std(), Instant::now());
            if has_overslept(due, now) {
                // Window updates may have come meanwhile, and are still to be read.
                self.flow_control.restart_waits(now);
            }
            if self.flow_control.should_reset(self.stream, now) {
                self.stalled.increment(1);
                self.stall.record();
                self.send.send_reset(Reason::CANCEL);
                let message = "the client does not read this response, which fills its window";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
            }
            self.stall_timer = Some(Box::pin(sleep(CHECK_INTERVAL)));
        }
    }

    /// Does the same without a timeout.
    fn poll_capacity(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let allowed = self.flow_control.allowance(self.stream, cx.waker());
        self.send.reserve_capacity(wanted.min(allowed).min(SEND_BUFFER));
        if allowed == 0 {
            return Poll::Pending;
        }
        loop {
            match self.send.capacity() {
                0 => {}
                room => return Poll::Ready(Ok(room.min(allowed))),
            }
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Err(broken_pipe())),
            }
        }
    }

    /// Ready when the client has reset the stream, or the connection has failed.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.send.poll_reset(cx).map(|reset| reset.map_or_else(broken, |_| broken_pipe()))
    }

    /// Ends the stream.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.send.send_data(Bytes::new(), true).map_err(broken)
    }
}

impl Drop for SendWindow {
    fn drop(&mut self) {
        self.flow_control.close(self.stream);
    }
}

fn broken_pipe() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Converts the error of a stream to that of a socket. A client that resets its stream, or closes
/// its connection, has left.
pub(crate) fn broken(error: h2::Error) -> io::Error {
    let left = error.is_remote();
    let kind = match error.get_io() {
        Some(error) => error.kind(),
        None if left => io::ErrorKind::BrokenPipe,
        None => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, error)
}
