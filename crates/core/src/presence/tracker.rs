//! The presence tracker: publishes to presence channels which users have joined and left.
//!
//! A dirty entry only says which user to check. What is published is the difference between the
//! users connected and the users announced, at the moment of publishing. So a user who returns
//! within the grace period, or leaves before the next update, causes no message.

use std::{
    collections::{BTreeSet, HashMap},
    future::poll_fn,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout_at};

use super::{DirtyChange, DirtyUser, PresenceKey};
use crate::{ChannelName, EngineError, Hub, awake::has_overslept};

/// Delay before a retry after the engine has failed.
const RETRY: Duration = Duration::from_secs(1);

/// Pause between two rounds: a burst of changes becomes one update, and a flood of them does not
/// occupy the thread.
const PAUSE: Duration = Duration::from_millis(1);

/// The timing of presence. The default is that of the gateway's settings.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PresenceConfig {
    /// A user who reconnects within this time has not left.
    pub grace: Duration,
    /// A user that an earlier life of the log has announced, and that connects within this time,
    /// has not left. It has to last until the goodbyes of that life are sent and heeded.
    pub restored_grace: Duration,
    /// The least time between two presence changes of a larger channel.
    pub interval: Duration,
    /// Largest channel whose presence changes are sent immediately; larger channels are throttled
    /// to `interval`.
    pub immediate: usize,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        let restored_grace = Duration::from_secs(30);
        let (grace, interval) = (Duration::from_secs(5), Duration::from_secs(1));
        Self { grace, restored_grace, interval, immediate: 20 }
    }
}

impl PresenceConfig {
    /// Sets the time within which a user who reconnects has not left.
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the time within which a user who connects after a restart has not left.
    pub fn with_restored_grace(mut self, restored_grace: Duration) -> Self {
        self.restored_grace = restored_grace;
        self
    }

    /// Sets the least time between two presence changes of a larger channel.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the size of the largest channel whose presence changes are sent immediately.
    pub fn with_immediate(mut self, immediate: usize) -> Self {
        self.immediate = immediate;
        self
    }
}

impl Hub {
    /// Writes presence changes, for as long as this is polled. For one caller.
    pub(crate) async fn run_presence(&self, config: PresenceConfig) {
        let mut tracker = PresenceTracker::new(config);
        let mut clock = TrackerClock::default();
        loop {
            let dirty_users = poll_fn(|cx| self.log().poll_dirty_users(cx));
            let deadline = tracker.next_deadline().map(|at| at + clock.stopped);
            let began = Instant::now();
            let dirty_users = match deadline {
                None => dirty_users.await,
                Some(at) => timeout_at(at.into(), dirty_users).await.unwrap_or_default(),
            };
            let now = clock.after_wait(began, deadline, Instant::now());
            tracker.process(self, dirty_users, now).await;
            sleep(PAUSE).await;
        }
    }
}

/// The time of the tracker. It leaves out waits in which the process was stopped: a user who
/// returned meanwhile has not been accepted yet, and has not left.
#[derive(Debug, Default)]
pub(super) struct TrackerClock {
    stopped: Duration,
}

impl TrackerClock {
    /// Returns the time after a wait that should have ended at `deadline`.
    pub(super) fn after_wait(
        &mut self,
        began: Instant,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Instant {
        if deadline.is_some_and(|deadline| has_overslept(deadline.max(began), now)) {
            self.stopped += now - began;
        }
        now.checked_sub(self.stopped).unwrap_or(now)
    }
}

#[derive(Debug)]
pub(super) struct PresenceTracker {
    config: PresenceConfig,
    channels: HashMap<ChannelName, ChannelState>,
    /// Entries in their grace period, in order of its end.
    grace_queue: BTreeSet<(Instant, ChannelName, PresenceKey)>,
    /// Channels whose next update waits for its time.
    deferred: BTreeSet<(Instant, ChannelName)>,
}

/// Tracker state of a channel that has connections, or changes to publish.
#[derive(Debug, Default)]
struct ChannelState {
    /// Entries to check, and whether their grace period has ended.
    dirty: HashMap<PresenceKey, bool>,
    /// End of the grace period of each absent entry. An older entry in `grace_queue` is void.
    in_grace: HashMap<PresenceKey, Instant>,
    last_sent: Option<Instant>,
    deferred_until: Option<Instant>,
}

impl PresenceTracker {
    pub(super) fn new(config: PresenceConfig) -> Self {
        Self {
            config,
            channels: HashMap::new(),
            grace_queue: BTreeSet::new(),
            deferred: BTreeSet::new(),
        }
    }

    /// Channels that are tracked.
    #[cfg(test)]
    pub(super) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Returns the next time at which there is work even without a dirty entry.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let gone = self.grace_queue.first().map(|(at, ..)| *at);
        gone.into_iter().chain(self.deferred.first().map(|(at, _)| *at)).min()
    }

    pub(super) async fn process(&mut self, hub: &Hub, dirty_users: Vec<DirtyUser>, now: Instant) {
        let mut due = BTreeSet::new();
        for DirtyUser { channel, key, change } in dirty_users {
            let state = self.channels.entry(channel.clone()).or_default();
            if change != DirtyChange::Connected {
                if key.is_some() {
                    state.dirty.remove(&key);
                } else if state.in_grace.contains_key(&key) {
                    // In a busy channel some anonymous client always leaves: restarting the grace
                    // period each time would postpone the count for ever.
                    continue;
                }
                let grace = match change {
                    DirtyChange::Restored => self.config.restored_grace,
                    _ => self.config.grace,
                };
                let until = now + grace;
                state.in_grace.insert(key.clone(), until);
                self.grace_queue.insert((until, channel, key));
            } else {
                match key {
                    // A new anonymous client does not void the departure of another.
                    None => drop(state.dirty.entry(key).or_insert(false)),
                    Some(_) => {
                        state.in_grace.remove(&key);
                        state.dirty.insert(key, false);
                    }
                }
                due.insert(channel);
            }
        }
        while self.grace_queue.first().is_some_and(|(at, ..)| *at <= now)
            && let Some((_, channel, key)) = self.grace_queue.pop_first()
        {
            let Some(state) = self.channels.get_mut(&channel) else { continue };
            // Otherwise the user has returned, and has perhaps left again.
            if state.in_grace.get(&key).is_some_and(|at| *at <= now) {
                state.in_grace.remove(&key);
                state.dirty.insert(key, true);
                due.insert(channel);
            }
        }
        while let Some((at, channel)) = self.deferred.pop_first() {
            if at > now {
                self.deferred.insert((at, channel));
                break;
            }
            due.insert(channel);
        }
        for channel in due {
            self.flush_channel(hub, channel, now).await;
        }
    }

    /// Publishes the changes of one channel, or schedules that for later.
    async fn flush_channel(&mut self, hub: &Hub, channel: ChannelName, now: Instant) {
        let Some(state) = self.channels.get_mut(&channel) else { return };
        if let Some(at) = state.deferred_until.take() {
            self.deferred.remove(&(at, channel.clone()));
        }
        let next = state.last_sent.map_or(now, |last_sent| last_sent + self.config.interval);
        let early = next > now && hub.log().presence_size(&channel) > self.config.immediate;
        let later = match early {
            true => Some(next),
            false => match state.publish_changes(hub, &channel).await {
                Ok(true) => {
                    state.last_sent = Some(now);
                    None
                }
                Ok(false) => None,
                Err(_) => Some(now + RETRY),
            },
        };
        if let Some(at) = later {
            state.deferred_until = Some(at);
            self.deferred.insert((at, channel));
        } else if state.in_grace.is_empty() && hub.log().has_no_subscribers(&channel) {
            self.channels.remove(&channel);
        }
    }
}

impl ChannelState {
    /// Publishes the changes, in as many messages as they need. Returns whether there was any.
    async fn publish_changes(
        &mut self,
        hub: &Hub,
        channel: &ChannelName,
    ) -> Result<bool, EngineError> {
        let Some(presence) = channel.presence_channel() else { return Ok(false) };
        let mut dirty: Vec<_> = self.dirty.drain().collect();
        let mut published = false;
        while !dirty.is_empty() {
            let Some(change) = hub.log().presence_diff(channel, &mut dirty) else { continue };
            if let Err(error) = hub.engine().append(change.draft(presence.clone())).await {
                self.dirty.extend(dirty.into_iter().chain(change.entries()));
                return Err(error);
            }
            published = true;
        }
        Ok(published)
    }
}
