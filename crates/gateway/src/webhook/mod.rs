//! The webhook (`[events]`): reports connections and occupied channels to the user's own service.
//! Events are queued where they happen, and delivered in order, in batches, with retries until the
//! service has taken them. The number of events that do not fit in the queue is reported, too.

pub(crate) mod event;
pub(crate) mod guard;
pub(crate) mod pending;
pub(crate) mod queue;
pub(crate) mod run_events;
pub(crate) mod sender;

pub(crate) use queue::{EventMeters, EventQueue};
pub(crate) use run_events::RunEvents;
pub(crate) use sender::{WebhookSender, WebhookTask};
