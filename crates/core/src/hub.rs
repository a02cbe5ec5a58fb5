//! The hub: publish, join, look. What everything outside core talks to.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    Answers, ChannelName, Connection, Draft, Engine, EngineError, Farewell, Join, JoinError, Log,
    Meters, Receipt, Start, Subscription, Welcome, Which, clock, notify::waker::Bell,
    subscription::connections::Listeners, sync::Mutex,
};

/// The log with its engine, its meters, and everybody who listens.
pub struct Hub {
    log: Arc<Log>,
    engine: Arc<dyn Engine>,
    meters: Meters,
    listeners: Mutex<Listeners>,
    answers: Arc<Answers>,
    /// Set under the listeners' lock: whoever is in by then will be told goodbye.
    draining: AtomicBool,
    /// There is more to do than can be done in time: nothing new is begun.
    overloaded: AtomicBool,
}

/// More is under way than can be delivered in time (`limits.overload`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway has more to deliver than it can in time; come back in a moment")]
pub struct Overloaded;

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

impl Hub {
    /// A hub over `log`, which `engine` feeds. At most `connections` may listen at once.
    pub fn new(
        log: Arc<Log>,
        engine: Arc<dyn Engine>,
        meters: Meters,
        connections: usize,
    ) -> Arc<Self> {
        let listeners = Listeners::new(connections);
        let (draining, overloaded) = (AtomicBool::new(false), AtomicBool::new(false));
        let (listeners, answers) = (Mutex::new(listeners), Arc::default());
        Arc::new(Self { log, engine, meters, listeners, answers, draining, overloaded })
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
    pub fn answers(&self) -> &Arc<Answers> {
        &self.answers
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
        self.publish_on(draft).await
    }

    /// Publishes the next of a stream of messages, which goes on whatever the load is: its publisher looks at
    /// [`is_overloaded`](Self::is_overloaded) and waits.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), but for the load.
    pub async fn publish_on(&self, draft: Draft) -> Result<Receipt, PublishError> {
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
    pub async fn join(self: &Arc<Self>, join: Join) -> Result<(Subscription, Welcome), JoinError> {
        self.check_load()?;
        let interest = Interest::begin(self, join.all_channels(), join.start).await?;
        let (place, bell) = Place::take(self, &join)?;
        let joined = Subscription::new(self.clone(), join, bell, place.index)?;
        // From here on the subscription gives back what it holds.
        place.keep();
        interest.keep();
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
    pub fn set_limit(&self, connections: usize) {
        self.listeners.lock().set_limit(connections);
    }

    /// How many listen.
    pub fn connections(&self) -> usize {
        self.listeners.lock().len()
    }

    /// Lets go what has grown too old, some of it each time; call it about once a second.
    pub fn sweep(&self) {
        self.log.sweep_some(clock::unix_millis());
    }

    /// From now on nobody joins or publishes; returns how to say goodbye to everybody who is here.
    pub fn drain(&self) -> Vec<Farewell> {
        let listeners = self.listeners.lock();
        self.draining.store(true, Ordering::Release);
        listeners.all()
    }

    /// Whether the hub lets nobody in any more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn unregister(&self, index: usize) {
        self.listeners.lock().leave(index);
    }

    /// The first `limit` connections behind number `after` of those that are meant; and whether there are more.
    pub fn list(&self, which: &Which, after: u64, limit: usize) -> (Vec<Connection>, bool) {
        self.listeners.lock().list(which, after, limit)
    }

    /// How to send those away that are meant.
    pub fn farewells(&self, which: &Which) -> Vec<Farewell> {
        self.listeners.lock().farewells(which)
    }
}

/// The engine's interest in channels that somebody is about to listen to, and may still fail to.
#[derive(Debug)]
pub(crate) struct Interest {
    hub: Arc<Hub>,
    channels: Vec<ChannelName>,
}

impl Interest {
    pub(crate) async fn begin(
        hub: &Arc<Hub>,
        channels: impl IntoIterator<Item = ChannelName>,
        start: Start,
    ) -> Result<Self, EngineError> {
        let mut interest = Self { hub: hub.clone(), channels: Vec::new() };
        for channel in channels {
            hub.engine.listen(&channel).await?;
            interest.channels.push(channel.clone());
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
        Ok(interest)
    }

    /// From here on a subscription gives it back.
    pub(crate) fn keep(mut self) {
        self.channels.clear();
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.channels.iter().for_each(|channel| self.hub.engine.unlisten(channel));
    }
}

/// A place among the listeners, for a join that may still fail.
struct Place<'a> {
    hub: &'a Hub,
    index: usize,
    kept: bool,
}

impl<'a> Place<'a> {
    fn take(hub: &'a Hub, join: &Join) -> Result<(Self, Arc<Bell>), JoinError> {
        let mut listeners = hub.listeners.lock();
        if hub.is_draining() {
            return Err(JoinError::Draining);
        }
        let (index, bell) = listeners.enter(join).ok_or(JoinError::TooManyConnections)?;
        Ok((Self { hub, index, kept: false }, bell))
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.hub.unregister(self.index);
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("log", &self.log).finish_non_exhaustive()
    }
}
