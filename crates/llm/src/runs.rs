//! The runs of a gateway: prompts become runs, which can be asked for and cancelled by their ids.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio::time::timeout;
use tricast_core::{ChannelName, Hub};

use crate::{
    BadUpstream, By, Driver, KeyGuard, Listening, ModelInfo, Phase, Prompt, PromptError,
    PromptMark, RelayConfig, Run, RunEnd, RunId, RunObserver, RunReport, Started, UpstreamConfig,
    Upstreams,
    meters::RunMeters,
    registry::{Admission, Admitted, Registry},
    run::Stop,
    run_log::RunLog,
};

/// How long a cancel waits for the end of the run.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// How long a drain waits for the ends of runs that it has stopped; a message may wait for the log.
const END_WAIT: Duration = Duration::from_secs(20);

/// The runs of one gateway. Clones are the same runs.
#[derive(Clone)]
pub struct Runs(Arc<Inner>);

struct Inner {
    hub: Arc<Hub>,
    config: ArcSwap<Config>,
    registry: Mutex<Registry>,
    is_draining: AtomicBool,
    meters: RunMeters,
    observer: ArcSwapOption<Box<dyn RunObserver>>,
}

/// The settings of this moment. A run keeps those that it began with.
struct Config {
    relay: Arc<RelayConfig>,
    upstreams: Upstreams,
    guard: Arc<KeyGuard>,
}

/// What has become of a request to cancel a run.
#[derive(Clone, Debug)]
pub enum Cancelled {
    /// The run has ended; perhaps it had before.
    Ended(Arc<RunEnd>),
    /// Its end is on its way, and comes as a message.
    Cancelling,
}

/// What the upstream has answered, as far as that is known.
#[derive(Clone, Debug)]
pub enum Head {
    /// It has begun an answer.
    Open,
    /// Nothing is known yet.
    Pending,
    /// The run has ended before its upstream began an answer, or since.
    Ended(Arc<RunEnd>),
}

impl Runs {
    /// Makes the runs of a gateway.
    ///
    /// # Errors
    /// When an upstream cannot be called by its settings.
    pub fn new(
        hub: Arc<Hub>,
        relay: RelayConfig,
        upstreams: Vec<UpstreamConfig>,
    ) -> Result<Self, BadUpstream> {
        let upstreams = Upstreams::new(upstreams, None)?;
        Ok(Self::with_upstreams(hub, relay, upstreams))
    }

    pub(crate) fn with_upstreams(hub: Arc<Hub>, relay: RelayConfig, upstreams: Upstreams) -> Self {
        let config = Config::new(relay, upstreams);
        Self(Arc::new(Inner {
            hub,
            config: ArcSwap::from_pointee(config),
            registry: Mutex::default(),
            is_draining: AtomicBool::new(false),
            meters: RunMeters::new(),
            observer: ArcSwapOption::empty(),
        }))
    }

    /// Replaces the settings. Open runs go on with those that they began with; an upstream whose
    /// settings are the same keeps its connections and its circuit.
    ///
    /// # Errors
    /// When an upstream cannot be called by its settings. The former ones stay then.
    pub fn reconfigure(
        &self,
        relay: RelayConfig,
        upstreams: Vec<UpstreamConfig>,
    ) -> Result<(), BadUpstream> {
        let upstreams = Upstreams::new(upstreams, Some(&self.0.config.load().upstreams))?;
        self.0.config.store(Arc::new(Config::new(relay, upstreams)));
        Ok(())
    }

    /// Sets the observer of starts and ends.
    pub fn set_observer(&self, observer: Box<dyn RunObserver>) {
        self.0.observer.store(Some(Arc::new(observer)));
    }

    /// Makes a run of a prompt, and returns once its first message is in the log. The upstream is
    /// called after that. If the future is dropped, the run goes on unless it is to be left.
    ///
    /// # Errors
    /// When there is no run.
    pub async fn start(&self, prompt: Prompt) -> Result<Started, PromptError> {
        self.start_marked(prompt, None).await
    }

    /// Does what [`start`](Self::start) does, for a client library that repeats requests without a
    /// key: a repeat gets the run of the first request if the response to that is gone, nobody has
    /// claimed the run since, and it is not older than a minute. Only for callers who are verified.
    ///
    /// # Errors
    /// When there is no run.
    pub async fn start_marked(
        &self,
        prompt: Prompt,
        mark: Option<PromptMark>,
    ) -> Result<Started, PromptError> {
        let (run, attached) = self.admit(prompt, mark)?;
        let listening = Listening::new(run.clone(), run.leave);
        run.wait_for(|phase| phase != Phase::Starting).await;
        let id = match run.first_message() {
            Some(Ok(id)) => id,
            Some(Err(error)) => return Err(PromptError::NotPublished(error)),
            None => return Err(PromptError::Full),
        };
        let (channel, model) = (run.channel.clone(), run.model.clone());
        Ok(Started { run: run.id, channel, id, attached, model, listening })
    }

    /// Admits a prompt, and spawns the driver of its run; or returns the run that it repeats.
    fn admit(
        &self,
        prompt: Prompt,
        mark: Option<PromptMark>,
    ) -> Result<(Arc<Run>, bool), PromptError> {
        let config = self.0.config.load_full();
        let Prompt { channel, request, starter, busy, leave, orphan, idempotency, face } = prompt;
        let prompt_bytes = request.length();
        if prompt_bytes > config.relay.prompt_bytes {
            return Err(PromptError::TooLarge(config.relay.prompt_bytes));
        }
        let (model, targets) = config.upstreams.resolve(request.model())?;
        let is_demo = targets.iter().any(|target| target.upstream.config.is_demo());
        let total = targets.first().map_or(Duration::ZERO, |one| one.upstream.config.total);
        let mut run = Run::new(channel, model, starter, face, leave);
        run.shows_user = self.0.hub.log().has_presence_channel(&run.channel);
        let run = Arc::new(run);
        let relay = &config.relay;
        let admission = Admission { busy, key: idempotency, mark, prompt_bytes, is_demo, relay };
        let mut registry = self.0.registry.lock();
        // Under the lock: a drain sees each run that was admitted before it.
        if self.is_draining() {
            return Err(PromptError::Draining);
        }
        let before = match registry.admit(&run, admission)? {
            Admitted::Repeat(first) => return Ok((first, true)),
            Admitted::New { before } => before,
        };
        drop(registry);
        let log = RunLog::new(self.0.hub.clone(), &run);
        let (relay, guard) = (config.relay.clone(), config.guard.clone());
        let asked = AtomicUsize::new(0);
        let driver = Driver {
            run: run.clone(),
            log,
            request,
            targets,
            relay,
            guard,
            before,
            orphan,
            total,
            asked,
        };
        tokio::spawn(self.clone().drive(driver));
        Ok((run, false))
    }

    async fn drive(self, driver: Driver) {
        let run = driver.run.clone();
        if !driver.start().await {
            self.0.registry.lock().withdraw(&run);
            run.set_phase(Phase::Ended);
            return;
        }
        self.0.meters.active.increment(1);
        self.observe(|observer| observer.started(&run.report()));
        let ending = driver.drive().await;
        // Before readers are told: a prompt that follows the end finds the channel free.
        self.0.registry.lock().close(&run);
        let end = driver.end(ending).await;
        self.0.registry.lock().end(&run, driver.relay.keep);
        self.0.meters.active.decrement(1);
        if let Some(by) = end.by {
            self.0.meters.count_cancelled(by);
        }
        self.observe(|observer| observer.ended(&run.report()));
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    pub(crate) fn observe(&self, tell: impl FnOnce(&dyn RunObserver)) {
        if let Some(observer) = &*self.0.observer.load() {
            tell(&***observer);
        }
    }

    /// Returns the state of a run that is open, or has ended not long ago.
    pub fn report(&self, run: &RunId) -> Option<RunReport> {
        self.find(run).map(|run| run.report())
    }

    /// Returns the open runs of a channel, the oldest first.
    pub fn open_in(&self, channel: &ChannelName) -> Vec<RunReport> {
        let open = self.0.registry.lock().open_in(channel);
        open.iter().map(|run| run.report()).collect()
    }

    /// Counts a response that streams the run as a listener, for as long as the result is kept.
    pub fn listen(&self, run: &RunId) -> Option<Listening> {
        let run = self.find(run)?;
        let leave = run.leave;
        Some(Listening::new(run, leave))
    }

    /// Cancels a run, and waits a while for its end. Its call is closed before it ends. `None` if
    /// there is no such run. Cancelling twice is cancelling once.
    pub async fn cancel(&self, run: &RunId, by: By) -> Option<Cancelled> {
        let run = self.find(run)?;
        run.stop(Stop::Cancelled(by));
        let ended = run.wait_for(|phase| phase == Phase::Ended);
        Some(match timeout(CANCEL_WAIT, ended).await {
            Ok(()) => run.ended().map_or(Cancelled::Cancelling, Cancelled::Ended),
            Err(_) => Cancelled::Cancelling,
        })
    }

    /// Asks a run to end, without waiting for that. Returns whether there is such a run.
    pub fn begin_cancel(&self, run: &RunId, by: By) -> bool {
        let run = self.find(run);
        run.inspect(|run| run.stop(Stop::Cancelled(by))).is_some()
    }

    /// Returns what the upstream has answered; waits a while for it. `None` if there is no such
    /// run.
    pub async fn head(&self, run: &RunId) -> Option<Head> {
        let run = self.find(run)?;
        let wait = self.0.config.load().relay.head_wait;
        // Later than `wait`, nothing is known yet.
        let _ = timeout(wait, run.wait_for(|phase| phase >= Phase::Waiting)).await;
        Some(match run.ended() {
            Some(end) => Head::Ended(end),
            None if run.phase() >= Phase::Waiting => Head::Open,
            None => Head::Pending,
        })
    }

    /// Waits for the end of a run, and returns it. `None` if there is no such run.
    pub async fn wait_for_end(&self, run: &RunId) -> Option<Arc<RunEnd>> {
        let run = self.find(run)?;
        run.wait_for(|phase| phase == Phase::Ended).await;
        run.ended()
    }

    /// Returns the models that clients can ask for by name, the default one first.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.0.config.load().upstreams.models()
    }

    /// Returns how many runs are open.
    pub fn open_count(&self) -> usize {
        self.0.registry.lock().all_open().len()
    }

    /// Whether new prompts are refused.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Acquire)
    }

    /// Refuses new prompts, lets open runs end for `grace`, and then ends them with an error. To be
    /// called before [`Hub::drain`]: the last messages have to get into the log.
    pub async fn drain(&self, grace: Duration) {
        let open = {
            let registry = self.0.registry.lock();
            self.0.is_draining.store(true, Release);
            registry.all_open()
        };
        let all_ended = async || {
            for run in &open {
                run.wait_for(|phase| phase == Phase::Ended).await;
            }
        };
        if timeout(grace, all_ended()).await.is_ok() {
            return;
        }
        open.iter().for_each(|run| run.stop(Stop::Draining));
        if timeout(END_WAIT, all_ended()).await.is_err() {
            let left = open.iter().filter(|run| run.is_open()).count();
            tracing::warn!(left, "runs have not ended in time");
        }
    }

    #[cfg(test)]
    fn assert_idle(&self) {
        self.0.registry.lock().assert_idle();
    }

    fn find(&self, run: &RunId) -> Option<Arc<Run>> {
        self.0.registry.lock().find(run)
    }
}

impl Config {
    fn new(relay: RelayConfig, upstreams: Upstreams) -> Self {
        let guard = Arc::new(KeyGuard::new(upstreams.secrets()));
        Self { relay: Arc::new(relay), upstreams, guard }
    }
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests/runs.rs"]
mod tests;

#[cfg(test)]
#[path = "tests/storm.rs"]
mod storm;
