//! The driver of a run: one task from its first message to its last. Readers never touch it, and
//! it never waits for a reader.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use serde_json::{json, value::RawValue};
use tokio::time::sleep;
use tricast_core::{PublishError, awake_timeout};

use crate::{
    Attempts, By, ChatRequest, ErrorKind, KeyGuard, Phase, Planted, RelayConfig, Run, RunEnd,
    RunError, Status, Target,
    run::Stop,
    run_log::{LogError, RunLog},
};

/// The longest time between two looks at who listens.
const LOOK: Duration = Duration::from_secs(1);

/// What one run needs.
pub(crate) struct Driver {
    pub(crate) run: Arc<Run>,
    pub(crate) log: RunLog,
    pub(crate) request: ChatRequest,
    pub(crate) targets: Vec<Target>,
    pub(crate) relay: Arc<RelayConfig>,
    pub(crate) guard: Arc<KeyGuard>,
    /// Runs whose end this one waits for.
    pub(crate) before: Vec<Arc<Run>>,
    /// How long nobody has to listen for the run to be cancelled; zero means never.
    pub(crate) orphan: Duration,
    /// The time for the whole run.
    pub(crate) total: Duration,
    /// The place of the target that was asked last.
    pub(crate) asked: AtomicUsize,
}

/// How a run ends.
#[derive(Debug)]
pub(crate) enum Ending {
    Complete,
    Cancelled(By),
    Failed(RunError),
}

impl Driver {
    /// Publishes the first message, and returns whether there is a run then.
    pub(crate) async fn start(&self) -> bool {
        let published = self.log.publish_start(&self.run).await;
        let has_started = published.is_ok();
        let may_be_there = published.as_ref().is_err_and(LogError::is_unknown);
        let published = published.map_err(|error| Arc::new(PublishError::from(error)));
        self.run.set_first_message(published);
        if may_be_there {
            // A run that readers may have seen begin has an end.
            let ending = failed(ErrorKind::Log, "the log has not taken the beginning");
            self.end(ending).await;
        }
        has_started
    }

    /// Drives a run that has started until it is known how it ends.
    pub(crate) async fn drive(&self) -> Ending {
        self.run.set_phase(Phase::Queued);
        // A cancelled call is dropped here, which closes its connection.
        let answer = AssertUnwindSafe(self.answer()).catch_unwind();
        tokio::select! {
            biased;
            stop = self.stopped() => match stop {
                Stop::Cancelled(_) if Planted::CancelFails.is_on() => {
                    failed(ErrorKind::Internal, "planted")
                }
                Stop::Cancelled(by) => Ending::Cancelled(by),
                Stop::Draining => failed(ErrorKind::Draining, "the gateway was shut down"),
            },
            () = self.orphaned() => Ending::Cancelled(By::Orphan),
            answer = awake_timeout(self.total, answer) => match answer {
                None => failed(ErrorKind::Timeout, "the answer took too long"),
                Some(Ok(Ok(()))) => Ending::Complete,
                Some(Ok(Err(error))) => Ending::Failed(error),
                Some(Err(_)) => failed(ErrorKind::Internal, "the gateway has made an error"),
            },
        }
    }

    async fn stopped(&self) -> Stop {
        if Planted::QueuedDeaf.is_on() {
            self.run.wait_for(|phase| phase > Phase::Queued).await;
        }
        self.run.stopped().await
    }

    async fn answer(&self) -> Result<(), RunError> {
        for run in &self.before {
            run.wait_for(|phase| phase == Phase::Ended || Planted::QueueIgnored.is_on()).await;
        }
        let Self { run, log, request, targets, relay, guard, asked, .. } = self;
        Attempts { run, log, request, targets, relay, guard, asked }.answer().await
    }

    /// Returns once nobody has listened for too long.
    async fn orphaned(&self) {
        let is_exempt = self.run.starter.is_backend && !Planted::BackendOrphaned.is_on();
        if self.orphan.is_zero() || is_exempt {
            return std::future::pending().await;
        }
        let look = LOOK.min(self.orphan / 4);
        // The looks are counted and not the time: nobody can listen to a process that is stopped.
        let mut quiet = Duration::ZERO;
        while quiet < self.orphan {
            sleep(look).await;
            let is_heard = self.run.listener_count() > 0 || self.log.connection_count() > 0;
            let is_heard = is_heard && !Planted::ListenersIgnored.is_on();
            quiet = if is_heard { Duration::ZERO } else { quiet + look };
        }
    }

    /// Publishes the last message, and returns how the run has ended.
    pub(crate) async fn end(&self, ending: Ending) -> Arc<RunEnd> {
        let (status, by, error) = match ending {
            Ending::Complete => (Status::Complete, None, None),
            Ending::Cancelled(by) => (Status::Cancelled, Some(by), None),
            Ending::Failed(error) => (Status::Error, None, Some(error)),
        };
        let (choices, usage, chunks) = self.run.answer();
        let usage = usage.or_else(|| self.estimated_usage(chunks?));
        let (first, all) = (self.run.first(), self.run.age());
        let mut end = RunEnd { status, choices, usage, first, all, by, error };
        if let Err(error) = self.log.publish_end(&end).await {
            self.report_lost_end(&error);
            let error =
                RunError::new(ErrorKind::Log, "the log has not taken the end of the answer");
            end = RunEnd { status: Status::Error, by: None, error: Some(error), ..end };
        }
        let (run, status) = (self.run.id, end.status.name());
        let kind = end.error.as_ref().map(|error| error.kind.name());
        let ms = end.all.as_millis() as u64;
        let upstream = self.targets.get(self.asked.load(Relaxed)).map(|target| &target.upstream);
        let name = upstream.map(|upstream| &*upstream.config.name);
        tracing::info!(%run, upstream = name, status, kind, ms, "a run has ended");
        upstream.inspect(|upstream| upstream.meters.count_end(self.run.face, &end));
        self.run.end(end)
    }

    fn report_lost_end(&self, error: &LogError) {
        tracing::warn!(run = %self.run.id, "the end of a run is not in the log: {error}");
    }

    /// Estimates the usage of a call that the upstream has begun to answer in so many chunks.
    fn estimated_usage(&self, chunks: u64) -> Option<Box<RawValue>> {
        let prompt = self.request.estimated_tokens();
        let usage = json!({
            "prompt_tokens": prompt,
            "completion_tokens": chunks,
            "total_tokens": prompt + chunks,
            "estimated": true,
        });
        serde_json::value::to_raw_value(&usage).ok()
    }
}

fn failed(kind: ErrorKind, message: &str) -> Ending {
    Ending::Failed(RunError::new(kind, message))
}

#[cfg(test)]
#[path = "tests/driver.rs"]
mod tests;
