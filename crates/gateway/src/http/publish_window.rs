//! The window of a stream of messages: those that have their place in the log's order, and whose
//! receipts have yet to come. Without it each line would wait for the disk or the broker.

use std::{
    collections::VecDeque,
    future::{Future as _, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tricast_core::{Kind, Problem as _, Publication, PublishError, Receipt};

use crate::http::problem::{Problem, PublishProgress, Published};

/// The most messages of one stream that are in flight.
const WINDOW_MESSAGES: usize = 1024;

/// The most bytes of their data. One message may have more, and is then alone.
const WINDOW_BYTES: usize = 256 * 1024;

/// The messages of one stream that are in flight, and those that are confirmed.
#[derive(Debug, Default)]
pub(crate) struct PublishWindow {
    /// In the order in which the messages were sent, which is that in which they settle.
    in_flight: VecDeque<InFlight>,
    /// Bytes of their data.
    bytes: usize,
    confirmed: Published,
}

#[derive(Debug)]
struct InFlight {
    publication: Publication,
    line: u64,
    bytes: usize,
}

/// The end of a stream at a line that was not published, or whose fate is unknown.
#[derive(Debug)]
pub(crate) struct LineFailure {
    pub(crate) line: u64,
    pub(crate) problem: Problem,
}

type Settled = Result<Receipt, PublishError>;

impl PublishWindow {
    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Returns whether a message of `bytes` may be sent now.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.is_empty()
            || (self.in_flight.len() < WINDOW_MESSAGES && self.bytes + bytes <= WINDOW_BYTES)
    }

    /// Returns the bytes of data in flight.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns what is confirmed.
    pub(crate) fn confirmed(&self) -> Published {
        self.confirmed
    }

    /// Adds a message that was sent.
    ///
    /// # Errors
    /// When it is refused already.
    pub(crate) fn push(
        &mut self,
        mut publication: Publication,
        line: u64,
        bytes: usize,
    ) -> Result<(), LineFailure> {
        // An engine that settles at once pays for no queue.
        if self.is_empty() {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(settled) = Pin::new(&mut publication).poll(&mut cx) {
                return self.confirm(line, settled);
            }
        }
        self.bytes += bytes;
        self.in_flight.push_back(InFlight { publication, line, bytes });
        Ok(())
    }

    /// Takes what has settled by now.
    ///
    /// # Errors
    /// When one of these messages was not published, or may not have been.
    pub(crate) fn settle_ready(&mut self) -> Result<(), LineFailure> {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some((line, settled))) = self.poll_pop(&mut cx) {
            self.confirm(line, settled)?;
        }
        Ok(())
    }

    /// Waits until the oldest message in flight has settled. Nothing is lost when the future is
    /// dropped. It never ends while nothing is in flight.
    ///
    /// # Errors
    /// When the message was not published, or may not have been.
    pub(crate) async fn settle_next(&mut self) -> Result<(), LineFailure> {
        match poll_fn(|cx| self.poll_pop(cx)).await {
            Some((line, settled)) => self.confirm(line, settled),
            None => std::future::pending().await,
        }
    }

    /// Waits until everything in flight has settled.
    ///
    /// # Errors
    /// At the first message that was not published, or may not have been.
    pub(crate) async fn settle_all(&mut self) -> Result<(), LineFailure> {
        while !self.is_empty() {
            self.settle_next().await?;
        }
        Ok(())
    }

    /// Waits until everything in flight has settled after the stream has ended with `failure`.
    /// Returns the problem that reports it, which is that of the first line not confirmed.
    pub(crate) async fn settle_after(mut self, failure: LineFailure) -> Problem {
        let mut first = failure;
        let mut unsettled = Vec::new();
        while let Some((line, settled)) = poll_fn(|cx| self.poll_pop(cx)).await {
            if line < first.line {
                if let Err(earlier) = self.confirm(line, settled) {
                    first = earlier;
                }
            } else if settled.map_or_else(|error| error.kind() == Kind::OutcomeUnknown, |_| true) {
                unsettled.push(line);
            }
        }
        let LineFailure { line, problem } = first;
        problem.with_progress(PublishProgress { line, published: self.confirmed, unsettled })
    }

    /// Takes the oldest message in flight once it has settled; `None` if nothing is in flight.
    fn poll_pop(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Settled)>> {
        let Some(oldest) = self.in_flight.front_mut() else { return Poll::Ready(None) };
        let settled = ready!(Pin::new(&mut oldest.publication).poll(cx));
        let line = oldest.line;
        self.bytes -= oldest.bytes;
        self.in_flight.pop_front();
        Poll::Ready(Some((line, settled)))
    }

    fn confirm(&mut self, line: u64, settled: Settled) -> Result<(), LineFailure> {
        let receipt = settled.map_err(|error| LineFailure { line, problem: error.into() })?;
        self.confirmed.published += 1;
        self.confirmed.first.get_or_insert(receipt.id);
        self.confirmed.last = Some(receipt.id);
        Ok(())
    }
}
