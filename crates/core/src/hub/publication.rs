//! A publish that has its place in the order, and is counted once it settles.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use crate::{Draft, Hub, PublishError, Receipt, Ticket};

/// A publish under way: a future of its receipt.
///
/// Those of one publisher settle like its [`Ticket`]s, so a publisher may hold a window of them and
/// wait for the oldest. Dropping one does not take the message back, nor is it counted then.
#[must_use = "only a settled publication says whether the message was published"]
#[derive(Debug)]
pub struct Publication {
    hub: Arc<Hub>,
    ticket: Ticket,
    /// Bytes of the message's data.
    bytes: u64,
}

impl Hub {
    /// Puts a message into the order.
    ///
    /// # Errors
    /// When the hub is draining or sheds load. Everything else is the result of the publication.
    pub fn append(self: &Arc<Self>, draft: Draft) -> Result<Publication, PublishError> {
        self.check_load()?;
        self.append_despite_load(draft)
    }

    /// Puts the next message of a stream of messages into the order, whatever the load is. Its
    /// publisher waits while [`is_overloaded`](Self::is_overloaded).
    ///
    /// # Errors
    /// When the hub is draining. Everything else is the result of the publication.
    pub fn append_despite_load(
        self: &Arc<Self>,
        draft: Draft,
    ) -> Result<Publication, PublishError> {
        if self.is_draining() {
            return Err(PublishError::Draining);
        }
        let bytes = draft.data.as_bytes().len() as u64;
        let ticket = self.engine.append(draft);
        Ok(Publication { hub: self.clone(), ticket, bytes })
    }

    /// Counts a message that was published, or that repeats one.
    fn count_published(&self, receipt: &Receipt, bytes: u64) {
        if receipt.duplicate {
            self.meters.duplicates.increment(1);
        } else {
            self.meters.published.increment(1);
            self.meters.published_bytes.increment(bytes);
        }
    }
}

impl Future for Publication {
    type Output = Result<Receipt, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let receipt = ready!(Pin::new(&mut self.ticket).poll(cx))?;
        self.hub.count_published(&receipt, self.bytes);
        Poll::Ready(Ok(receipt))
    }
}
