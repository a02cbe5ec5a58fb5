//! Reports the ends of runs: the application's database is written even if no reader is there.

use std::sync::Arc;

use tricast_llm::{RunObserver, RunReport};

use crate::{
    settings::EventKind,
    webhook::{event::EventDetail, queue::EventQueue},
};

/// Queues an event for each run that ends.
#[derive(Debug)]
pub(crate) struct RunEvents(pub(crate) Arc<EventQueue>);

impl RunObserver for RunEvents {
    fn started(&self, _: &RunReport) {}

    fn ended(&self, run: &RunReport) {
        if self.0.wants(EventKind::Run) {
            // The service knows its users, also those that a channel does not show.
            let user = run.starter.user().cloned();
            self.0.record(EventDetail::Run(Box::new(RunReport { user, ..run.clone() })));
        }
    }
}
