//! A run: the state that its driver, its registry and those who ask for it share.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::AcqRel, Ordering::Acquire},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{sync::watch, time::Instant};
use tricast_core::{ChannelName, MessageId, PublishError, unix_millis};

use crate::{
    BodyEnd, By, Face, Leave, Outcome, Phase, Planted, Read, Reading, RunEnd, RunId, RunReport,
    Starter, run_end::Times,
};

/// How long after its prompt a run can be claimed by a repeat of the request.
const CLAIM_TIME: Duration = Duration::from_secs(60);

/// Why a run is to end before its answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Somebody or something has cancelled it.
    Cancelled(By),
    /// The gateway is shutting down.
    Draining,
}

/// One call of a model.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) channel: ChannelName,
    /// The name of the model, as clients know it.
    pub(crate) model: String,
    pub(crate) starter: Starter,
    /// Whether the channel shows its users.
    pub(crate) shows_user: bool,
    pub(crate) face: Face,
    pub(crate) leave: Leave,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time: u64,
    began: Instant,
    phase: watch::Sender<Phase>,
    stop: watch::Sender<Option<Stop>>,
    first_message: OnceLock<Result<MessageId, Arc<PublishError>>>,
    progress: Mutex<Progress>,
    /// Responses that stream this run.
    listeners: AtomicUsize,
    /// A repeat of its request has it.
    is_claimed: AtomicBool,
}

#[derive(Debug, Default)]
struct Progress {
    reading: Option<Reading>,
    first: Option<Duration>,
    end: Option<Arc<RunEnd>>,
}

/// Counts as a listener of a run for as long as it is kept, such as by a response that streams it.
#[derive(Debug)]
#[must_use = "dropping it is leaving"]
pub struct Listening {
    run: Arc<Run>,
    leave: Leave,
}

impl Run {
    pub(crate) fn new(
        channel: ChannelName,
        model: String,
        starter: Starter,
        face: Face,
        leave: Leave,
    ) -> Self {
        Self {
            id: RunId::issue(),
            channel,
            model,
            starter,
            shows_user: false,
            face,
            leave,
            time: unix_millis(),
            began: Instant::now(),
            phase: watch::Sender::new(Phase::Starting),
            stop: watch::Sender::new(None),
            first_message: OnceLock::new(),
            progress: Mutex::default(),
            listeners: AtomicUsize::new(0),
            is_claimed: AtomicBool::new(false),
        }
    }

    /// Returns the time since the prompt was made.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Returns once the run is in a phase that fits.
    pub(crate) async fn wait_for(&self, fits: impl Fn(Phase) -> bool) {
        // The sender is here, so it is not gone.
        let _ = self.phase.subscribe().wait_for(|phase| fits(*phase)).await;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase() != Phase::Ended
    }

    /// Sets the phase of a run that goes on.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Asks the driver to end the run. The first reason counts; one for a run that has ended does
    /// nothing.
    pub(crate) fn stop(&self, stop: Stop) {
        self.stop.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(stop);
            is_first
        });
    }

    /// Returns why the run is to end, once it is.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut stop = self.stop.subscribe();
        // The sender is here, so it is not gone.
        let stop = stop.wait_for(Option::is_some).await.ok().and_then(|stop| *stop);
        stop.unwrap_or(Stop::Draining)
    }

    /// Notes the id of the first message, or why there is none.
    pub(crate) fn set_first_message(&self, published: Result<MessageId, Arc<PublishError>>) {
        // Only the driver sets it, and once.
        let _ = self.first_message.set(published);
    }

    /// Returns the id of the first message, or why there is none; `None` before either is known.
    pub(crate) fn first_message(&self) -> Option<Result<MessageId, Arc<PublishError>>> {
        self.first_message.get().cloned()
    }

    /// Begins to read a response.
    pub(crate) fn begin_reading(&self, reading: Reading) {
        self.progress.lock().reading = Some(reading);
    }

    /// Reads bytes of the response.
    pub(crate) fn read(&self, read: impl FnOnce(&mut Reading) -> Read) -> Read {
        let mut progress = self.progress.lock();
        let Some(reading) = &mut progress.reading else { return Read::default() };
        let read = read(reading);
        let has_content = |reading: &Reading| {
            reading.answer().has_content()
                || Planted::RoleIsContent.is_on() && reading.answer().length() > 2
        };
        if progress.first.is_none() && progress.reading.as_ref().is_some_and(has_content) {
            progress.first = Some(self.began.elapsed());
        }
        read
    }

    /// Whether content has come, so that the prompt is not to be sent again.
    pub(crate) fn has_content(&self) -> bool {
        self.progress.lock().first.is_some()
    }

    /// Returns the time from the prompt until the first content.
    pub(crate) fn first(&self) -> Option<Duration> {
        self.progress.lock().first
    }

    /// Ends the response; `None` if there was none.
    pub(crate) fn end_reading(&self, end: BodyEnd) -> Option<Outcome> {
        let mut outcome = None;
        self.read(|reading| {
            outcome = Some(reading.end(end));
            Read::default()
        });
        outcome
    }

    /// Takes what was read and not published yet.
    pub(crate) fn take_delta(&self) -> Option<String> {
        self.progress.lock().reading.as_mut().and_then(Reading::take_delta)
    }

    /// Returns the choices so far, the usage that the upstream has told, and the number of chunks
    /// if it has begun to answer.
    pub(crate) fn answer(&self) -> (Box<RawValue>, Option<Box<RawValue>>, Option<u64>) {
        let progress = self.progress.lock();
        let Some(reading) = &progress.reading else { return (no_choices(), None, None) };
        let choices = RawValue::from_string(on_one_line(reading.answer().choices()));
        let usage = reading.answer().usage().filter(|usage| usage.starts_with('{'));
        let usage = usage.map(|usage| RawValue::from_string(on_one_line(usage.to_owned())));
        (choices.unwrap_or_default(), usage.and_then(Result::ok), Some(reading.chunks()))
    }

    /// Ends the run for all who wait for that.
    pub(crate) fn end(&self, end: RunEnd) -> Arc<RunEnd> {
        let end = Arc::new(end);
        let mut progress = self.progress.lock();
        progress.end = Some(end.clone());
        progress.reading = None;
        drop(progress);
        self.set_phase(Phase::Ended);
        end
    }

    /// Returns how the run has ended, once it has.
    pub(crate) fn ended(&self) -> Option<Arc<RunEnd>> {
        self.progress.lock().end.clone()
    }

    /// Claims the run for a repeat of its request. Only the first of them gets it, soon after the
    /// prompt, and when the response to the first request is gone.
    pub(crate) fn claim(&self) -> bool {
        let is_left = self.listener_count() == 0 && self.stop.borrow().is_none();
        is_left && self.age() <= CLAIM_TIME && !self.is_claimed.swap(true, AcqRel)
    }

    /// Returns how many responses stream this run.
    pub(crate) fn listener_count(&self) -> usize {
        self.listeners.load(Acquire)
    }

    pub(crate) fn report(&self) -> RunReport {
        let end = self.ended();
        let first = self.first();
        let (choices, usage) = match &end {
            Some(end) => (end.choices.clone(), end.usage.clone()),
            None => {
                let (choices, usage, _) = self.answer();
                (choices, usage)
            }
        };
        let status = end.as_ref().map_or(self.phase().name(), |end| end.status.name());
        RunReport {
            run: self.id,
            channel: self.channel.clone(),
            model: self.model.clone(),
            user: self.starter.user().filter(|_| self.shows_user).cloned(),
            status,
            choices,
            usage,
            time: self.time,
            ms: Times::new(first, end.as_ref().map(|end| end.all)),
            by: end.as_ref().and_then(|end| end.by),
            error: end.as_ref().and_then(|end| end.error.clone()),
            start: self.first_message().and_then(Result::ok),
            starter: self.starter.clone(),
            end,
        }
    }
}

impl Listening {
    pub(crate) fn new(run: Arc<Run>, leave: Leave) -> Self {
        run.listeners.fetch_add(1, AcqRel);
        Self { run, leave }
    }

    /// Leaves, and lets the run go on although its prompt asked to cancel it then: nothing streams
    /// it on this connection.
    pub fn detach(mut self) {
        self.leave = Leave::Detach;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let was_last = self.run.listeners.fetch_sub(1, AcqRel) == 1;
        if was_last && self.leave == Leave::Cancel {
            self.run.stop(Stop::Cancelled(By::Left));
        }
    }
}

/// Line breaks between the tokens of a JSON document become spaces, which mean the same.
pub(crate) fn on_one_line(json: String) -> String {
    match memchr::memchr2(b'\n', b'\r', json.as_bytes()) {
        Some(_) => json.replace(['\n', '\r'], " "),
        None => json,
    }
}

pub(crate) fn no_choices() -> Box<RawValue> {
    RawValue::from_string("[]".to_owned()).unwrap_or_default()
}
