//! The registrar: writes into presence channels who has come and gone, once that is worth telling.
//!
//! Its notes say only whom to look at. What is told is the difference between who is there and who was told to be
//! there, at the moment of telling: so whoever comes back in time, or goes too soon, cancels out.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    future::poll_fn,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout_at};

use super::{Note, Who};
use crate::{ChannelName, EngineError, Hub};

/// How long after a failure of the engine it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Between two rounds. What comes in one burst is told together, and a storm does not keep its thread.
const PAUSE: Duration = Duration::from_millis(1);

/// When presence is told.
#[derive(Clone, Copy, Debug)]
pub struct PresenceRules {
    /// Who comes back so soon was never away.
    pub grace: Duration,
    /// How often at most a crowd's changes are told.
    pub interval: Duration,
    /// The most that are no crowd: each change is told at once.
    pub immediate: usize,
}

impl Hub {
    /// Tells who comes and goes, for as long as this is polled. For one caller.
    pub async fn keep_presence(&self, rules: PresenceRules) {
        let mut registrar = Registrar::new(rules);
        loop {
            let notes = poll_fn(|cx| self.log().poll_notes(cx));
            let notes = match registrar.next() {
                None => notes.await,
                Some(at) => timeout_at(at.into(), notes).await.unwrap_or_default(),
            };
            registrar.round(self, notes, Instant::now()).await;
            sleep(PAUSE).await;
        }
    }
}

#[derive(Debug)]
pub(super) struct Registrar {
    rules: PresenceRules,
    rooms: HashMap<ChannelName, Room>,
    /// Who has gone and may still come back, first gone first.
    gone: VecDeque<(Instant, ChannelName, Who)>,
    /// Rooms that wait.
    wakes: BTreeSet<(Instant, ChannelName)>,
}

/// A channel with somebody in it, or something to tell.
#[derive(Debug, Default)]
struct Room {
    /// Whom to look at, and whether they have gone for good.
    ready: HashMap<Who, bool>,
    /// When those who have gone are gone for good. Only the last time counts.
    going: HashMap<Who, Instant>,
    told: Option<Instant>,
    wakes: Option<Instant>,
    /// The engine feeds its presence channel.
    fed: bool,
}

impl Registrar {
    pub(super) fn new(rules: PresenceRules) -> Self {
        Self { rules, rooms: HashMap::new(), gone: VecDeque::new(), wakes: BTreeSet::new() }
    }

    /// How many channels it keeps an eye on.
    #[cfg(test)]
    pub(super) fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// When it has something to do without a note.
    pub(super) fn next(&self) -> Option<Instant> {
        let gone = self.gone.front().map(|(at, ..)| *at);
        gone.into_iter().chain(self.wakes.first().map(|(at, _)| *at)).min()
    }

    pub(super) async fn round(&mut self, hub: &Hub, notes: Vec<Note>, now: Instant) {
        let mut due = BTreeSet::new();
        for Note { channel, who, gone } in notes {
            let room = self.rooms.entry(channel.clone()).or_default();
            if gone {
                if who.is_some() {
                    room.ready.remove(&who);
                } else if room.going.contains_key(&who) {
                    // Some stranger or other always goes: their number does not wait for the last.
                    continue;
                }
                let until = now + self.rules.grace;
                room.going.insert(who.clone(), until);
                self.gone.push_back((until, channel, who));
            } else {
                match who {
                    // That a stranger came does not mean that none has gone.
                    None => drop(room.ready.entry(who).or_insert(false)),
                    Some(_) => {
                        room.going.remove(&who);
                        room.ready.insert(who, false);
                    }
                }
                due.insert(channel);
            }
        }
        while let Some((_, channel, who)) = self.gone.pop_front_if(|(at, ..)| *at <= now) {
            let Some(room) = self.rooms.get_mut(&channel) else { continue };
            // Otherwise it has come back, and perhaps gone again.
            if room.going.get(&who).is_some_and(|at| *at <= now) {
                room.going.remove(&who);
                room.ready.insert(who, true);
                due.insert(channel);
            }
        }
        while let Some((at, channel)) = self.wakes.pop_first() {
            if at > now {
                self.wakes.insert((at, channel));
                break;
            }
            due.insert(channel);
        }
        for channel in due {
            self.visit(hub, channel, now).await;
        }
    }

    /// Tells what there is to tell of one channel, or notes when.
    async fn visit(&mut self, hub: &Hub, channel: ChannelName, now: Instant) {
        let Some(room) = self.rooms.get_mut(&channel) else { return };
        if let Some(at) = room.wakes.take() {
            self.wakes.remove(&(at, channel.clone()));
        }
        let next = room.told.map_or(now, |told| told + self.rules.interval);
        let early = next > now && hub.log().crowd(&channel) > self.rules.immediate;
        let later = match early {
            true => Some(next),
            false => match room.tell(hub, &channel).await {
                Ok(true) => {
                    room.told = Some(now);
                    None
                }
                Ok(false) => None,
                Err(_) => Some(now + RETRY),
            },
        };
        if let Some(at) = later {
            room.wakes = Some(at);
            self.wakes.insert((at, channel));
        } else if room.going.is_empty() && hub.log().is_deserted(&channel) {
            if room.fed
                && let Some(presence) = channel.presence()
            {
                hub.engine().unlisten(&presence);
            }
            self.rooms.remove(&channel);
        }
    }
}

impl Room {
    /// Writes what has changed, in as many messages as that takes; whether it was anything.
    async fn tell(&mut self, hub: &Hub, channel: &ChannelName) -> Result<bool, EngineError> {
        let Some(presence) = channel.presence() else { return Ok(false) };
        if !self.fed {
            // What is written here is to come back, and be applied here.
            hub.engine().listen(&presence).await?;
            self.fed = true;
        }
        let mut looked: Vec<_> = self.ready.drain().collect();
        let mut told = false;
        while !looked.is_empty() {
            let Some(change) = hub.log().difference(channel, &mut looked) else { continue };
            if let Err(error) = hub.engine().append(change.draft(presence.clone())).await {
                self.ready.extend(looked.into_iter().chain(change.whom()));
                return Err(error);
            }
            told = true;
        }
        Ok(told)
    }
}
