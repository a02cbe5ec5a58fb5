//! Events for the user's own service: who comes and goes, and which channels are listened to. Noted where they happen,
//! delivered in order, in batches, and again until they have arrived; what does not fit is told as lost.

pub(crate) mod event;
pub(crate) mod guard;
pub(crate) mod pending;
pub(crate) mod queue;
pub(crate) mod sender;

pub(crate) use queue::{EventMeters, EventQueue};
pub(crate) use sender::{WebhookSender, WebhookTask};
