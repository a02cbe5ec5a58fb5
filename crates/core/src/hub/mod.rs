//! The hub: publishing, subscribing, and the connections that are open.

mod history;
pub(crate) mod publication;

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
    AnswerMemory, Beginning, ChannelName, CloseHandle, CloseReason, ConnectionFilter,
    ConnectionSummary, Draft, Engine, EngineError, Health, Join, JoinError, JoinInfo, Kind, Log,
    Meters, Overloaded, PresenceConfig, Problem, Receipt, Start, Subscription, clock,
    log::start::LocatedChannels, notify::waker::ReaderWaker,
    subscription::connections::Connections, sync::Mutex,
};

/// The interval between sweeps, each of which visits a part of the channels.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The front door of this crate: publishes messages, and subscribes readers to channels.
///
/// A hub holds the log, the engine that feeds it, the metrics, and the list of open connections.
/// One task runs [`run`](Self::run); before the program ends it calls [`drain`](Self::drain).
pub struct Hub {
    log: Arc<Log>,
    engine: Arc<dyn Engine>,
    meters: Meters,
    connections: Mutex<Connections>,
    answer_memory: Arc<AnswerMemory>,
    /// Set under the lock of `connections`: each connection in the list by then gets a goodbye.
    draining: AtomicBool,
    /// Load shedding: new work is refused, and work in progress continues.
    overloaded: AtomicBool,
}

/// The error of a message that was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The hub is draining its connections.
    #[error("the gateway is shutting down; publish again in a moment")]
    Draining,
    /// The hub sheds load.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The engine could not append the message.
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

    fn retry_after(&self) -> Option<Duration> {
        match self {
            PublishError::Draining => None,
            PublishError::Overloaded(error) => error.retry_after(),
            PublishError::Engine(error) => error.retry_after(),
        }
    }
}

impl Hub {
    /// Makes a hub over `log`, which `engine` feeds, with a limit of connections that are open at
    /// once.
    pub fn new(log: Arc<Log>, engine: Arc<dyn Engine>, meters: Meters, limit: usize) -> Arc<Self> {
        let connections = Connections::new(limit);
        let (draining, overloaded) = (AtomicBool::new(false), AtomicBool::new(false));
        let (connections, answer_memory) = (Mutex::new(connections), Arc::default());
        Arc::new(Self { log, engine, meters, connections, answer_memory, draining, overloaded })
    }

    /// Returns the log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Returns the metrics.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Returns the memory budget of responses that are built as a whole, such as pages of history.
    pub fn answer_memory(&self) -> &Arc<AnswerMemory> {
        &self.answer_memory
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// Publishes a message. Readers receive it after this returns, or while it does.
    ///
    /// # Errors
    /// When the channel has too few subscribers, the hub is draining or sheds load, or the engine
    /// fails.
    pub async fn publish(self: &Arc<Self>, draft: Draft) -> Result<Receipt, PublishError> {
        self.append(draft)?.await
    }

    /// Subscribes a reader. Dropping the subscription is leaving.
    ///
    /// # Errors
    /// When a limit is reached, the hub is draining or sheds load, the resume point is ahead of the
    /// log, or the engine fails.
    pub async fn join(self: &Arc<Self>, join: Join) -> Result<(Subscription, JoinInfo), JoinError> {
        self.check_load()?;
        let channels: Vec<ChannelName> = join.all_channels().collect();
        let located = self.locate(&channels, join.start).await?;
        let (registration, waker) = Registration::register(self, &join)?;
        let joined = Subscription::new(self.clone(), join, &located, waker, registration.index)?;
        // From here on the drop of the subscription undoes it.
        registration.disarm();
        Ok(joined)
    }

    /// Asks the engine what has to be known about `channels` before a reader joins them.
    pub(crate) async fn locate(
        &self,
        channels: &[ChannelName],
        start: Start,
    ) -> Result<LocatedChannels, EngineError> {
        let questions = self.log.questions_about(channels, start);
        if questions.is_empty() {
            return Ok(LocatedChannels::new());
        }
        let names: Vec<ChannelName> = questions.iter().map(|one| one.channel.clone()).collect();
        let answers = self.engine.locate(questions).await?;
        Ok(names.into_iter().zip(answers).collect())
    }

    /// Turns load shedding on or off: while it is on, new work is refused.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.store(overloaded, Ordering::Relaxed);
    }

    /// Whether new work is refused.
    pub fn is_overloaded(&self) -> bool {
        self.overloaded.load(Ordering::Relaxed)
    }

    fn check_load(&self) -> Result<(), Overloaded> {
        match self.is_overloaded() {
            false => Ok(()),
            true => Err(Overloaded),
        }
    }

    /// Sets how many connections may be open at once. Those that are open stay.
    pub fn set_connection_limit(&self, limit: usize) {
        self.connections.lock().set_limit(limit);
    }

    /// Returns the number of open connections.
    pub fn connection_count(&self) -> usize {
        self.connections.lock().len()
    }

    /// Does the periodic work, until the future is dropped: removes messages that are too old, and
    /// writes presence changes. Call it once for each hub, in a task of its own.
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

    /// Removes some of the messages that are too old; [`run`](Self::run) does this each second.
    pub fn sweep(&self) {
        self.log.sweep_next(clock::unix_millis());
    }

    /// Begins connection draining: from now on the hub refuses to publish and to subscribe. Returns
    /// the handles that close the open connections. A server that shuts down gracefully waits for
    /// its streams, so they have to be closed first.
    ///
    /// ```
    /// # use tricast_core::{CloseReason, Hub};
    /// # fn shut_down(hub: &Hub) {
    /// for connection in hub.drain() {
    ///     connection.close(CloseReason::Draining, 0);
    /// }
    /// # }
    /// ```
    pub fn drain(&self) -> Vec<CloseHandle> {
        let connections = self.connections.lock();
        self.draining.store(true, Ordering::Release);
        connections.all_close_handles()
    }

    /// Begins another epoch of the log, because the engine has lost what the last one was about:
    /// everything that is held is forgotten, and all streams end, to resume in the new epoch.
    pub fn begin(&self, beginning: Beginning) {
        self.log.begin(beginning);
        let connections = self.connections.lock().all_close_handles();
        connections.into_iter().for_each(|connection| connection.close(CloseReason::Epoch, 0));
    }

    /// Ends the engine: what is in flight is settled, and nothing is published any more. To be
    /// called after [`drain`](Self::drain); streams read on.
    ///
    /// # Errors
    /// When what was published could not be made as durable as a clean end makes it.
    pub async fn close(&self) -> Result<(), EngineError> {
        self.engine.close().await
    }

    /// Returns whether messages can be published.
    pub fn health(&self) -> Health {
        self.engine.health()
    }

    /// Whether connection draining has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn unregister(&self, index: usize) {
        self.connections.lock().unregister(index);
    }

    /// Lists at most `limit` connections that match the filter and whose number is above `after`;
    /// and whether there are more.
    pub fn list_connections(
        &self,
        filter: &ConnectionFilter,
        after: u64,
        limit: usize,
    ) -> (Vec<ConnectionSummary>, bool) {
        self.connections.lock().list(filter, after, limit)
    }

    /// Returns handles to close the connections that match the filter.
    pub fn close_handles(&self, filter: &ConnectionFilter) -> Vec<CloseHandle> {
        self.connections.lock().close_handles(filter)
    }
}

/// The entry of a connection in the list, removed again if its subscription fails.
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
