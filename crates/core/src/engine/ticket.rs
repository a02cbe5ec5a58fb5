//! The ticket of a message that has its place in the order, and settles later.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::{EngineError, Receipt};

/// A publish that the engine has put into its order: a future of its receipt.
///
/// Once a ticket has settled, the tickets that the engine returned before it have settled, or do
/// so without waiting for anything; so a publisher may hold several and wait for its oldest.
/// Dropping a ticket does not take the message back.
#[must_use = "only a settled ticket says whether the message was published"]
#[derive(Debug)]
pub struct Ticket(State);

#[derive(Debug)]
enum State {
    /// `None` once it was returned.
    Settled(Option<Result<Receipt, EngineError>>),
    Open(oneshot::Receiver<Result<Receipt, EngineError>>),
}

/// The engine's end of an open [`Ticket`]. Dropping it settles the ticket as
/// [`Unknown`](EngineError::Unknown), so that no publisher waits for an engine that is gone.
#[derive(Debug)]
pub struct Settlement(oneshot::Sender<Result<Receipt, EngineError>>);

impl Ticket {
    /// Makes a ticket that is settled already.
    pub fn settled(result: Result<Receipt, EngineError>) -> Self {
        Self(State::Settled(Some(result)))
    }

    /// Makes an open ticket, and the end that settles it.
    pub fn open() -> (Settlement, Self) {
        let (sender, receiver) = oneshot::channel();
        (Settlement(sender), Self(State::Open(receiver)))
    }
}

impl Settlement {
    /// Settles the ticket.
    pub fn settle(self, result: Result<Receipt, EngineError>) {
        // A publisher that has left needs no answer.
        let _ = self.0.send(result);
    }
}

/// Polling it again after it was ready returns [`EngineError::Unknown`].
impl Future for Ticket {
    type Output = Result<Receipt, EngineError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Settled(result) => Poll::Ready(result.take().unwrap_or_else(|| {
                Err(EngineError::Unknown("its ticket was settled before".to_owned()))
            })),
            State::Open(receiver) => Pin::new(receiver).poll(cx).map(|settled| {
                settled.unwrap_or_else(|_| {
                    Err(EngineError::Unknown("the engine stopped before it answered".to_owned()))
                })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll(ticket: &mut Ticket) -> Poll<Result<Receipt, EngineError>> {
        Pin::new(ticket).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_ticket_whose_engine_is_gone_settles_as_unknown() {
        let (settlement, mut ticket) = Ticket::open();
        assert!(poll(&mut ticket).is_pending());
        drop(settlement);
        assert!(matches!(poll(&mut ticket), Poll::Ready(Err(EngineError::Unknown(_)))));
    }

    #[test]
    fn an_open_ticket_settles_with_what_its_engine_says() {
        let (settlement, mut ticket) = Ticket::open();
        settlement.settle(Err(EngineError::TooLarge));
        assert!(matches!(poll(&mut ticket), Poll::Ready(Err(EngineError::TooLarge))));
    }
}
