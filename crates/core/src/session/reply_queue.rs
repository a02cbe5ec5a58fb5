//! The replies to the commands of one connection, which leave in the order of the commands although
//! some come later.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{CommandOutcome, CommandResult, Reply};

/// The most replies of one connection that wait.
const MAX_REPLIES: usize = 64;

/// The most bytes of replies that are there, and wait for an earlier one.
const MAX_BYTES: usize = 16 * 1024;

/// The replies of one connection that its peer has yet to be sent.
///
/// The owner of the socket starts no further command while it [is full](Self::is_full).
#[derive(Debug, Default)]
pub struct ReplyQueue {
    replies: VecDeque<CommandOutcome>,
    /// Bytes of the replies that are there.
    bytes: usize,
}

impl ReplyQueue {
    /// Whether no reply waits.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Whether no further command may be started.
    pub fn is_full(&self) -> bool {
        self.replies.len() >= MAX_REPLIES || self.bytes > MAX_BYTES
    }

    /// Adds the outcome of the next command.
    pub fn push(&mut self, outcome: CommandOutcome) {
        self.bytes += bytes_of(&outcome);
        self.replies.push_back(outcome);
    }

    /// Takes the oldest reply once it is there; `None` if no reply waits.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<CommandResult>> {
        if let Some(CommandOutcome::Later(reply)) = self.replies.front_mut() {
            return match Pin::new(reply).poll(cx) {
                Poll::Ready(result) => {
                    self.replies.pop_front();
                    Poll::Ready(Some(result))
                }
                Poll::Pending => Poll::Pending,
            };
        }
        let Some(CommandOutcome::Done(result)) = self.replies.pop_front() else {
            return Poll::Ready(None);
        };
        self.bytes -= bytes_of_result(&result);
        Poll::Ready(Some(result))
    }

    /// Waits for all replies, whose peer has left, so that what was published is counted.
    pub async fn settle(mut self) {
        while std::future::poll_fn(|cx| self.poll_next(cx)).await.is_some() {}
    }
}

fn bytes_of(outcome: &CommandOutcome) -> usize {
    match outcome {
        CommandOutcome::Done(result) => bytes_of_result(result),
        CommandOutcome::Later(_) => 0,
    }
}

fn bytes_of_result(result: &CommandResult) -> usize {
    match result {
        Ok(Reply::Frame(bytes) | Reply::Refusal(_, bytes)) => bytes.len(),
        Ok(Reply::Empty | Reply::Change(..)) | Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn, ready},
        task::Waker,
    };

    use bytes::Bytes;

    use super::*;
    use crate::{CloseReason, Kind};

    fn frame(text: &'static str) -> CommandResult {
        Ok(Reply::Frame(Bytes::from_static(text.as_bytes())))
    }

    fn next(queue: &mut ReplyQueue) -> Poll<Option<String>> {
        let next = queue.poll_next(&mut Context::from_waker(Waker::noop()));
        next.map(|result| result.map(|result| format!("{result:?}")))
    }

    #[test]
    fn replies_leave_in_the_order_of_their_commands() {
        let mut queue = ReplyQueue::default();
        let mut there = false;
        let late = poll_fn(move |_| {
            let first = !std::mem::replace(&mut there, true);
            if first { Poll::Pending } else { Poll::Ready(frame("late")) }
        });
        queue.push(CommandOutcome::Later(Box::pin(late)));
        queue.push(CommandOutcome::Done(Ok(Reply::Refusal(Kind::BadJson, Bytes::new()))));
        queue.push(CommandOutcome::Later(Box::pin(ready(Err(CloseReason::Overloaded)))));
        assert_eq!(next(&mut queue), Poll::Pending);
        assert_eq!(next(&mut queue), Poll::Ready(Some(format!("{:?}", frame("late")))));
        assert_eq!(next(&mut queue), Poll::Ready(Some("Ok(Refusal(BadJson))".to_owned())));
        assert_eq!(next(&mut queue), Poll::Ready(Some("Err(Overloaded)".to_owned())));
        assert_eq!(next(&mut queue), Poll::Ready(None));
        assert!(queue.is_empty());
    }

    #[test]
    fn the_queue_is_bounded_in_replies_and_bytes() {
        let mut queue = ReplyQueue::default();
        while !queue.is_full() {
            queue.push(CommandOutcome::Later(Box::pin(pending())));
        }
        assert_eq!(queue.replies.len(), MAX_REPLIES);
        let mut queue = ReplyQueue::default();
        queue.push(CommandOutcome::Done(Ok(Reply::Frame(vec![0; MAX_BYTES].into()))));
        assert!(!queue.is_full());
        queue.push(CommandOutcome::Done(frame("x")));
        assert!(queue.is_full());
        assert!(next(&mut queue).is_ready());
        assert!(!queue.is_full());
    }
}
