//! The hub: publish, join, look. What everything outside core talks to.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::time::interval;

use crate::{
    AnswerMemory, ChannelName, CloseHandle, ConnectionFilter, ConnectionSummary, Draft, Engine,
    EngineError, Join, JoinError, JoinInfo, Kind, Log, Meters, Overloaded, PresenceConfig, Problem,
    Receipt, Start, Subscription, clock, notify::waker::ReaderWaker,
    subscription::connections::Connections, sync::Mutex,
};

/// Each sweep looks at a part of the channels.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The log with its engine, its meters, and everybody who listens.
pub struct Hub {
    log: Arc<Log>,
    engine: Arc<dyn Engine>,
    meters: Meters,
    connections: Mutex<Connections>,
    answer_memory: Arc<AnswerMemory>,
    /// Set under the listeners' lock: whoever is in by then will be told goodbye.
    draining: AtomicBool,
    /// There is more to do than can be done in time: nothing new is begun.
    overloaded: AtomicBool,
}

/// A publish was refused.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The gateway is going down.
    #[error("the gateway is going down; publish again in a moment")]
    Draining,
    /// More is under way than can be delivered in time.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The engine could not.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Problem for PublishError {
    fn kind(&self) -> Kind {
        match self {
            PublishError::Draining => Kind::Draining,
            PublishError::Overloaded(error) => error.kind(),
            PublishError::Engine(error) => error.kind(),
        }
    }
}

impl Hub {
    /// A hub over `log`, which `engine` feeds. At most `connections` may listen at once.
    pub fn new(log: Arc<Log>, engine: Arc<dyn Engine>, meters: Meters, limit: usize) -> Arc<Self> {
        let connections = Connections::new(limit);
        let (draining, overloaded) = (AtomicBool::new(false), AtomicBool::new(false));
        let (connections, answer_memory) = (Mutex::new(connections), Arc::default());
        Arc::new(Self { log, engine, meters, connections, answer_memory, draining, overloaded })
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The meters.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The memory for answers that are made whole.
    pub fn answer_memory(&self) -> &Arc<AnswerMemory> {
        &self.answer_memory
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// Publishes.
    ///
    /// # Errors
    /// When too few listen, the gateway is going down, or the engine could not.
    pub async fn publish(&self, draft: Draft) -> Result<Receipt, PublishError> {
        self.check_load()?;
        self.publish_despite_load(draft).await
    }

    /// Publishes the next of a stream of messages, which goes on whatever the load is: its publisher looks at
    /// [`is_overloaded`](Self::is_overloaded) and waits.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), but for the load.
    pub async fn publish_despite_load(&self, draft: Draft) -> Result<Receipt, PublishError> {
        if self.is_draining() {
            return Err(PublishError::Draining);
        }
        let bytes = draft.data.as_bytes().len() as u64;
        let receipt = self.engine.append(draft).await?;
        if receipt.duplicate {
            self.meters.duplicates.increment(1);
        } else {
            self.meters.published.increment(1);
            self.meters.published_bytes.increment(bytes);
        }
        Ok(receipt)
    }

    /// Lets a reader in. Dropping the subscription lets it out.
    ///
    /// # Errors
    /// When a limit is reached, the gateway is going down, or the resume point is not of this log.
    pub async fn join(self: &Arc<Self>, join: Join) -> Result<(Subscription, JoinInfo), JoinError> {
        self.check_load()?;
        let feed = FeedGuard::open(self, join.all_channels(), join.start).await?;
        let (registration, waker) = Registration::register(self, &join)?;
        let joined = Subscription::new(self.clone(), join, waker, registration.index)?;
        // From here on the subscription gives back what it holds.
        registration.disarm();
        feed.disarm();
        Ok(joined)
    }

    /// Whether to begin anything new; what is under way goes on.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.store(overloaded, Ordering::Relaxed);
    }

    /// Whether anything new is begun.
    pub fn is_overloaded(&self) -> bool {
        self.overloaded.load(Ordering::Relaxed)
    }

    fn check_load(&self) -> Result<(), Overloaded> {
        match self.is_overloaded() {
            false => Ok(()),
            true => Err(Overloaded),
        }
    }

    /// How many may listen at once, from now on.
    pub fn set_connection_limit(&self, limit: usize) {
        self.connections.lock().set_limit(limit);
    }

    /// How many listen.
    pub fn connection_count(&self) -> usize {
        self.connections.lock().len()
    }

    /// Does the periodic work, until the future is dropped: removes messages that have grown too old,
    /// and writes presence changes. Call it once for each hub, in a task of its own.
    pub async fn run(self: Arc<Self>, presence: PresenceConfig) {
        let mut sweep = pin!(self.run_sweep());
        let mut presence = pin!(self.run_presence(presence));
        // Neither of them ends by itself.
        poll_fn(|cx| match sweep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => presence.as_mut().poll(cx),
        })
        .await
    }

    async fn run_sweep(&self) {
        let mut ticks = interval(SWEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.sweep();
        }
    }

    /// Removes some of what has grown too old; [`run`](Self::run) does this each second.
    pub fn sweep(&self) {
        self.log.sweep_next(clock::unix_millis());
    }

    /// From now on nobody joins or publishes; returns how to say goodbye to everybody who is here.
    pub fn drain(&self) -> Vec<CloseHandle> {
        let connections = self.connections.lock();
        self.draining.store(true, Ordering::Release);
        connections.all_close_handles()
    }

    /// Whether the hub lets nobody in any more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn unregister(&self, index: usize) {
        self.connections.lock().unregister(index);
    }

    /// The first `limit` connections behind number `after` of those that are meant; and whether there are more.
    pub fn list_connections(
        &self,
        filter: &ConnectionFilter,
        after: u64,
        limit: usize,
    ) -> (Vec<ConnectionSummary>, bool) {
        self.connections.lock().list(filter, after, limit)
    }

    /// How to send those away that are meant.
    pub fn close_handles(&self, filter: &ConnectionFilter) -> Vec<CloseHandle> {
        self.connections.lock().close_handles(filter)
    }
}

/// The engine's interest in channels that somebody is about to listen to, and may still fail to.
#[derive(Debug)]
pub(crate) struct FeedGuard {
    hub: Arc<Hub>,
    channels: Vec<ChannelName>,
}

impl FeedGuard {
    pub(crate) async fn open(
        hub: &Arc<Hub>,
        channels: impl IntoIterator<Item = ChannelName>,
        start: Start,
    ) -> Result<Self, EngineError> {
        let mut feed = Self { hub: hub.clone(), channels: Vec::new() };
        for channel in channels {
            hub.engine.open_feed(&channel).await?;
            feed.channels.push(channel.clone());
            let after = match start {
                Start::Latest => continue,
                Start::After(id) if id.epoch == hub.log.epoch() => id.seq,
                Start::After(_) | Start::Earliest | Start::Newest(_) => 0,
            };
            let floor = hub.log.floor(&channel);
            if floor > after
                && let Some(older) = hub.engine.history(&channel, after, floor).await?
            {
                let filled = hub.log.backfill(&channel, older.messages, older.floor);
                filled.map_err(EngineError::from)?;
            }
        }
        Ok(feed)
    }

    /// From here on a subscription gives it back.
    pub(crate) fn disarm(mut self) {
        self.channels.clear();
    }
}

impl Drop for FeedGuard {
    fn drop(&mut self) {
        self.channels.iter().for_each(|channel| self.hub.engine.close_feed(channel));
    }
}

/// A place among the listeners, for a join that may still fail.
struct Registration<'a> {
    hub: &'a Hub,
    index: usize,
    disarmed: bool,
}

impl<'a> Registration<'a> {
    fn register(hub: &'a Hub, join: &Join) -> Result<(Self, Arc<ReaderWaker>), JoinError> {
        let mut connections = hub.connections.lock();
        if hub.is_draining() {
            return Err(JoinError::Draining);
        }
        let registered = connections.register(join.identity.clone(), join.wire);
        let (index, waker) = registered.ok_or(JoinError::TooManyConnections)?;
        Ok((Self { hub, index, disarmed: false }, waker))
    }

    fn disarm(mut self) {
        self.disarmed = true;
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        if !self.disarmed {
            self.hub.unregister(self.index);
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("log", &self.log).finish_non_exhaustive()
    }
}
