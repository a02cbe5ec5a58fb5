//! A memory budget for request bodies in progress. Without it, many slow clients could each make
//! the gateway hold as much as the largest message.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tricast_core::Kind;

use crate::http::problem::Problem;

/// Bytes of one permit.
const UNIT: usize = 1024;

/// The memory for all bodies.
#[derive(Clone, Debug)]
pub(crate) struct BodyBudget(Arc<Semaphore>);

/// The memory of one body, returned on drop.
#[derive(Debug)]
pub(crate) struct BodyReservation {
    budget: BodyBudget,
    held: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Returns an empty reservation.
    pub(crate) fn reserve(&self) -> BodyReservation {
        BodyReservation { budget: self.clone(), held: None }
    }
}

impl BodyReservation {
    /// Grows the reservation to at least `bytes`.
    ///
    /// # Errors
    /// When the budget has no room for that.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Problem> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(UNIT).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        let units = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(permit) = self.budget.0.clone().try_acquire_many_owned(units) else {
            let detail =
                "request bodies in progress use all of limits.body_memory; try again later";
            return Err(Problem::new(Kind::Overloaded, detail));
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            held => *held = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_grow_until_the_budget_is_spent_and_are_returned() {
        let budget = BodyBudget::new(10 * UNIT);
        let (mut one, mut two) = (budget.reserve(), budget.reserve());
        one.grow_to(1).expect("room");
        one.grow_to(4 * UNIT).expect("room");
        one.grow_to(2 * UNIT).expect("it has that");
        two.grow_to(6 * UNIT).expect("the rest");
        assert!(one.grow_to(4 * UNIT + 1).is_err());
        drop(two);
        one.grow_to(10 * UNIT).expect("room again");
    }
}
