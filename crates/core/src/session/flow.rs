//! The generic outbound path: a session on tokio's clock, for whoever owns the socket to poll.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Session, Step};

/// A session that wakes its task when there is something to write.
#[derive(Debug)]
pub struct Flow {
    session: Session,
    timer: Pin<Box<Sleep>>,
}

impl Flow {
    /// Must be called on a tokio runtime with a clock.
    pub fn new(session: Session) -> Self {
        Self { session, timer: Box::pin(sleep_until(Instant::now())) }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, to answer its peer; poll again after that.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Appends what is due to `out` and says what to do with it; [`Step::Wait`] is `Pending`. Poll it
    /// only when the socket can take more.
    pub fn poll_next(&mut self, cx: &mut Context<'_>, out: &mut Vec<Bytes>) -> Poll<Step> {
        self.session.register(cx.waker());
        loop {
            match self.session.collect(Instant::now().into_std(), out) {
                step @ (Step::More | Step::Heartbeat | Step::End(_)) => return Poll::Ready(step),
                Step::Wait(until) => {
                    let until = Instant::from_std(until);
                    // Each message moves the heartbeat on. A timer that rings too early costs one look;
                    // to set it anew for each message would cost as much as the message.
                    if until < self.timer.deadline() || self.timer.is_elapsed() {
                        self.timer.as_mut().reset(until);
                    }
                    std::task::ready!(self.timer.as_mut().poll(cx));
                }
            }
        }
    }
}
