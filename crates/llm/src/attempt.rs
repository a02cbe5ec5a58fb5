//! One run at its upstreams: tries, retries and fallbacks until content has come, and then the
//! answer to its end.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};
use tricast_core::{AfterFailure, AwakeSleep, WarningLimit, awake_timeout};

use crate::{
    BodyEnd, ChatRequest, ErrorKind, KeyGuard, Limits, Outcome, Phase, Planted, Reading,
    RelayConfig, Run, RunError, Upstream,
    failed::{Failed, Then},
    run_log::RunLog,
    upstream_client::{Body, Reply},
};

/// The delay before the first retry; it doubles each time, up to the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// The longest time for which an upstream may ask to wait. Beyond that its answer is passed on.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Parts of the time without a sign of life.
const IDLE_PARTS: u32 = 8;

/// The time between two looks at the load, while the gateway sheds it.
const LOAD_PAUSE: Duration = Duration::from_millis(50);

static WARNINGS: WarningLimit = WarningLimit::new();

/// An upstream to ask, and the model as it knows it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) model: String,
}

/// One run at its upstreams.
pub(crate) struct Attempts<'a> {
    pub(crate) run: &'a Run,
    pub(crate) log: &'a RunLog,
    pub(crate) request: &'a ChatRequest,
    pub(crate) targets: &'a [Target],
    pub(crate) relay: &'a RelayConfig,
    pub(crate) guard: &'a Arc<KeyGuard>,
    /// The place of the target that is asked.
    pub(crate) asked: &'a AtomicUsize,
}

impl Attempts<'_> {
    /// Returns once the answer is complete, and published but for its end.
    ///
    /// # Errors
    /// When it is not complete.
    pub(crate) async fn answer(&self) -> Result<(), RunError> {
        let mut last = RunError::new(ErrorKind::Internal, "there was no upstream to ask");
        for (place, target) in self.targets.iter().enumerate() {
            self.asked.store(place, Relaxed);
            match self.ask(target).await {
                Ok(()) => return Ok(()),
                Err(failed)
                    if failed.then == Then::End
                        || self.run.has_content()
                        || Planted::FallbackForgotten.is_on() =>
                {
                    return Err(failed.error);
                }
                Err(failed) => last = failed.error,
            }
        }
        Err(last)
    }

    /// Asks one upstream, more than once if need be.
    async fn ask(&self, target: &Target) -> Result<(), Failed> {
        let _permit = target.upstream.enter().await.map_err(|_| {
            let message = "too many prompts wait for the model's service; retry later";
            Failed::new(ErrorKind::Crowded, message, Then::Fallback)
        })?;
        let mut left = target.upstream.config.retries;
        let mut delay = BACKOFF.0;
        loop {
            let Err(failed) = self.try_once(target).await else { return Ok(()) };
            let asked = failed.error.retry_after.unwrap_or_default();
            let asked = if Planted::RetryAfterIgnored.is_on() { Duration::ZERO } else { asked };
            let is_unread = !self.run.has_content() || Planted::ContentRetried.is_on();
            let may_retry = failed.then == Then::Retry && is_unread;
            if !may_retry || left == 0 || asked > RETRY_AFTER_MAX {
                return Err(failed);
            }
            left -= 1;
            target.upstream.meters.retries.increment(1);
            // Jitter, so that those who failed together do not return together.
            sleep(delay.mul_f64(1.0 + fastrand::f64()).max(asked)).await;
            delay = (delay * 2).min(BACKOFF.1);
        }
    }

    async fn try_once(&self, target: &Target) -> Result<(), Failed> {
        let upstream = &*target.upstream;
        let call = upstream.circuit.begin_call().map_err(|left| {
            let message = "the model's service fails, and is not called for a while";
            let mut failed = Failed::new(ErrorKind::Suspended, message, Then::Fallback);
            failed.error.retry_after = Some(left);
            failed
        })?;
        self.run.set_phase(Phase::Connecting);
        let result = self.call_and_read(target).await;
        if let Err(failed) = &result
            && let Some(held_back) = WARNINGS.pass()
        {
            let (run, name) = (self.run.id, &upstream.config.name);
            let (kind, message) = (failed.error.kind.name(), &failed.error.message);
            tracing::warn!(%run, upstream = name, kind, held_back, "a call has failed: {message}");
        }
        match &result {
            Err(failed) if failed.is_outage => {
                if call.failed() == AfterFailure::Opened {
                    upstream.meters.open.set(1);
                }
            }
            _ => {
                call.succeeded();
                upstream.meters.open.set(0);
            }
        }
        result
    }

    async fn call_and_read(&self, target: &Target) -> Result<(), Failed> {
        let config = &target.upstream.config;
        let begun = awake_timeout(config.first_token, self.begin(target)).await;
        let slow = || {
            let message = "the model's service has sent no content in time";
            Failed { is_outage: true, ..Failed::new(ErrorKind::Slow, message, Then::Fallback) }
        };
        let (mut body, ended) = begun.unwrap_or_else(|| Err(slow()))?;
        let end = match ended {
            Some(end) => end,
            None => self.follow(&mut body, config.idle).await?,
        };
        let outcome = self.run.end_reading(end);
        if !Planted::LastDeltaLost.is_on() {
            self.publish_delta().await?;
        }
        match outcome {
            Some(Outcome::Complete) => {
                body.finish();
                Ok(())
            }
            Some(Outcome::Failed(failure)) => {
                let error = RunError::of_failure(failure, self.guard);
                // A response that stops before there is content is an accident, however it stops:
                // some services answer a few of their requests with nothing at all.
                let stops = matches!(error.kind, ErrorKind::Cut | ErrorKind::Truncated);
                let then = if stops { Then::Retry } else { Then::End };
                Err(Failed { error, then, is_outage: stops })
            }
            None => Err(Failed::new(ErrorKind::Internal, "nothing was read", Then::End)),
        }
    }

    /// Calls the upstream, and reads until there is content, or the end of the response.
    async fn begin(&self, target: &Target) -> Result<(Body, Option<BodyEnd>), Failed> {
        let called = target.upstream.call(self.request, &target.model).await;
        let Reply { is_whole, mut body } =
            called.map_err(|error| Failed::of_call(error, self.guard))?;
        let RelayConfig { event_bytes, answer_bytes, .. } = *self.relay;
        let limits = Limits { event_bytes, answer_bytes };
        let reading = Reading::new(self.request.choices(), limits, self.guard.clone());
        self.run.begin_reading(reading);
        self.run.set_phase(Phase::Waiting);
        if is_whole {
            let end = self.read_whole(&mut body).await?;
            return Ok((body, Some(end)));
        }
        while !self.run.has_content() {
            let bytes = match body.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Ok((body, Some(BodyEnd::Clean))),
                Err(_) => return Ok((body, Some(BodyEnd::Cut))),
            };
            let read = self.run.read(|reading| reading.read(&bytes));
            if read.is_over {
                return Ok((body, Some(BodyEnd::Clean)));
            }
            if read.is_alive && Planted::CommentsAreContent.is_on() {
                break;
            }
        }
        self.run.set_phase(Phase::Streaming);
        Ok((body, None))
    }

    /// Reads a response that is one JSON document.
    async fn read_whole(&self, body: &mut Body) -> Result<BodyEnd, Failed> {
        let mut document = Vec::new();
        loop {
            match body.next().await {
                Ok(Some(bytes)) if document.len() + bytes.len() > self.relay.event_bytes => {
                    let message = "the model's service has sent too long a document";
                    return Err(Failed::new(ErrorKind::TooLong, message, Then::End));
                }
                Ok(Some(bytes)) => document.extend_from_slice(&bytes),
                Ok(None) => break,
                // A part of a document is no document.
                Err(_) => return Ok(BodyEnd::Cut),
            }
        }
        self.run.read(|reading| reading.read_whole(&document));
        if self.run.has_content() {
            self.run.set_phase(Phase::Streaming);
        }
        Ok(BodyEnd::Clean)
    }

    /// Publishes what has come, and reads and publishes until the end.
    async fn follow(&self, body: &mut Body, idle: Duration) -> Result<BodyEnd, Failed> {
        self.publish_delta().await?;
        let rollup = self.relay.rollup;
        let mut published = Instant::now();
        // When what was read is due, if it waits.
        let mut due = None;
        let (mut idle, mut quiet) = (AwakeSleep::new(idle / IDLE_PARTS), 0);
        loop {
            // Work in progress goes on under load, and not at its full rate.
            while self.log.is_overloaded() {
                sleep(LOAD_PAUSE).await;
            }
            tokio::select! {
                biased;
                read = body.next() => {
                    let bytes = match read {
                        Ok(Some(bytes)) => bytes,
                        Ok(None) => return Ok(BodyEnd::Clean),
                        Err(_) => return Ok(BodyEnd::Cut),
                    };
                    let read = self.run.read(|reading| reading.read(&bytes));
                    if read.is_over {
                        return Ok(BodyEnd::Clean);
                    }
                    if read.is_alive {
                        quiet = 0;
                    }
                    if published.elapsed() < rollup {
                        due.get_or_insert(published + rollup);
                        continue;
                    }
                }
                () = sleep_until(due.unwrap_or(published)), if due.is_some() => {}
                () = poll_fn(|cx| idle.poll_elapsed(cx)) => {
                    quiet += 1;
                    if quiet > IDLE_PARTS {
                        let message = "the model's service has stopped sending";
                        return Err(Failed::new(ErrorKind::Stalled, message, Then::End));
                    }
                    continue;
                }
            }
            self.publish_delta().await?;
            published = Instant::now();
            due = None;
        }
    }

    async fn publish_delta(&self) -> Result<(), Failed> {
        let Some(delta) = self.run.take_delta() else { return Ok(()) };
        match self.log.publish_delta(&delta).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failed::new(ErrorKind::Log, error.to_string(), Then::End)),
        }
    }
}

#[cfg(test)]
#[path = "tests/attempt.rs"]
mod tests;
