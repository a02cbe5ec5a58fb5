//! Runs whose gateway is gone: the log has their beginning, and what they have said, but no end.

use std::time::Duration;

use tricast_core::{ChannelName, Identity, unix_millis};

use crate::{
    ErrorKind, Face, Leave, Run, RunEnd, RunError, Runs, Starter, Status, fold::UnderWay,
    run_log::RunLog,
};

impl Runs {
    /// Ends the runs that the log has as open, whose text so far stays. To be called at the start,
    /// before there are others: nobody drives these any more.
    pub async fn end_lost(&self) {
        for (channel, whole) in self.hub().log().open_folds() {
            if let Some(under_way) = whole.value.downcast_ref::<UnderWay>() {
                self.end_one(channel, under_way).await;
            }
        }
    }

    async fn end_one(&self, channel: ChannelName, under_way: &UnderWay) {
        let Some(started) = under_way.started() else { return };
        let identity = Identity::unverified(None, started.user);
        let starter = Starter { identity, is_backend: false };
        let mut run = Run::new(channel, started.model, starter, Face::Native, Leave::Detach);
        (run.id, run.time) = (started.run, started.time);
        let error = RunError::new(ErrorKind::Lost, "the gateway ended before the answer did");
        let end = RunEnd {
            status: Status::Error,
            choices: under_way.choices(),
            usage: None,
            first: None,
            all: Duration::from_millis(unix_millis().saturating_sub(started.time)),
            by: None,
            error: Some(error),
        };
        if let Err(error) = RunLog::new(self.hub().clone(), &run).publish_end(&end).await {
            tracing::warn!(run = %run.id, "the end of a lost run is not in the log: {error}");
            return;
        }
        tracing::info!(run = %run.id, "a run of the last life has ended as lost");
        run.end(end);
        self.observe(|observer| observer.ended(&run.report()));
    }
}

#[cfg(test)]
#[path = "tests/lost.rs"]
mod tests;
