//! The output of a session on tokio's clock: a [`Stream`] of bytes, or a step at a time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{CloseReason, Ending, Reply, Session, Step, session::frames::FrameBuffer};

/// The output of a [`Session`] as a [`Stream`] of bytes, which wakes its task when there is
/// something to write.
///
/// An HTTP server can send it as a body, and polls it only when the connection can take more. That
/// is all the backpressure there is: a slow consumer has no queue, its messages stay in the log.
/// A server that does more than write, such as for WebSocket, calls [`poll_step`](Self::poll_step)
/// and [`next_chunk`](Self::next_chunk) instead.
#[derive(Debug)]
pub struct Flow {
    session: Session,
    timer: Pin<Box<Sleep>>,
    output: FrameBuffer,
}

/// The reason why [`Flow::poll_step`] returned. In each case there may be chunks to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowStep {
    /// There is something to write.
    More,
    /// Nothing was written for a whole heartbeat period: a good time to check whether the reader is
    /// still connected.
    Heartbeat,
    /// The stream ends after the chunks that are left.
    End(CloseReason),
}

/// The error of a stream that broke off at a gap that its format cannot report. The connection has
/// to be reset, so that the reader does not mistake this for the end of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream broke off at a gap; reconnect to continue after it")]
pub struct StreamAborted;

impl Flow {
    /// Makes a stream from `session`. Must be called on a tokio runtime with a clock.
    pub fn new(session: Session) -> Self {
        let timer = Box::pin(sleep_until(Instant::now()));
        Self { session, timer, output: FrameBuffer::default() }
    }

    /// Returns the session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the session, to record what its peer does; poll again after that.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Adds a reply to the peer to the chunks to write; poll again after that.
    pub fn apply_reply(&mut self, reply: Reply) {
        let frames = self.session.apply_reply(reply);
        self.output.frames_mut().extend(frames);
    }

    /// Collects what is due. Call it only when the socket can take more, and
    /// [`next_chunk`](Self::next_chunk) for what was collected.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<FlowStep> {
        self.session.register(cx.waker());
        loop {
            match self.session.collect(Instant::now().into_std(), self.output.frames_mut()) {
                Step::More => return Poll::Ready(FlowStep::More),
                Step::Heartbeat => return Poll::Ready(FlowStep::Heartbeat),
                Step::End(reason) => return Poll::Ready(FlowStep::End(reason)),
                Step::Wait(until) | Step::Fetch(until) => {
                    let until = Instant::from_std(until);
                    // Each message postpones the heartbeat. A timer that fires too early costs one
                    // check; resetting it for each message would cost as much as the message.
                    if until < self.timer.deadline() || self.timer.is_elapsed() {
                        self.timer.as_mut().reset(until);
                    }
                    ready!(self.timer.as_mut().poll(cx));
                }
            }
        }
    }

    /// Takes the next bytes to write: one frame, or several small ones joined.
    pub fn next_chunk(&mut self) -> Option<Bytes> {
        self.output.next_chunk()
    }

    /// Whether a stream that ends for `reason` has to be reset instead of ended.
    pub fn breaks_off(&self, reason: CloseReason) -> bool {
        self.session.format().ending(reason) == Ending::Reset
    }
}

impl Stream for Flow {
    type Item = Result<Bytes, StreamAborted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let flow = self.get_mut();
        loop {
            if let Some(chunk) = flow.next_chunk() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            match ready!(flow.poll_step(cx)) {
                // A session that has ended returns this again, after its last frames are written.
                FlowStep::End(reason) if flow.output.is_empty() => {
                    return Poll::Ready(flow.breaks_off(reason).then_some(Err(StreamAborted)));
                }
                FlowStep::More | FlowStep::Heartbeat | FlowStep::End(_) => {}
            }
        }
    }
}
