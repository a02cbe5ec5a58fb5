//! Events for the user's own service: who comes and goes, and which channels are listened to. Noted where they happen,
//! delivered in order, in batches, and again until they have arrived; what does not fit is told as lost.

mod courier;
mod event;
mod queue;
mod visit;
mod waiting;

pub(crate) use courier::{Courier, Deliveries};
pub(crate) use queue::{EventMeters, Queue};
