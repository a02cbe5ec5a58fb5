//! Everybody who listens: how to send them away, and what an operator is shown of them.

use std::{net::IpAddr, sync::Arc};

use serde::Serialize;
use slab::Slab;
use smallvec::SmallVec;

use crate::{
    ChannelName, ClientId, CloseReason, Identity, Join, Standing, Wire, clock, notify::waker::Bell,
    sync::Mutex,
};

/// Everybody who listens, up to a limit.
#[derive(Debug)]
pub(crate) struct Listeners {
    bells: Slab<Arc<Bell>>,
    limit: usize,
    /// How many there have been.
    serial: u64,
}

/// Who somebody is who listens.
#[derive(Debug)]
pub(crate) struct Card {
    serial: u64,
    identity: Arc<Identity>,
    wire: Wire,
    since: u64,
    /// What it has asked for, as the log has it; mostly one.
    channels: Mutex<SmallVec<[ChannelName; 1]>>,
}

/// What an operator is shown of a connection. Client ids are not: who knows one can pass for it.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// Its number; no other ever has it.
    pub id: u64,
    /// How it listens.
    pub wire: &'static str,
    /// Its user, if known.
    pub user: Option<String>,
    /// The API key that it came with.
    pub key: Option<String>,
    /// Where it comes from, if that is known.
    pub address: Option<IpAddr>,
    /// What it has asked for.
    pub channels: Vec<ChannelName>,
    /// When it came: milliseconds since 1970-01-01 UTC.
    pub since: u64,
}

/// Which connections are meant: those that have everything that is given.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// This one.
    pub id: Option<u64>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// Of this user.
    pub user: Option<String>,
    /// That came with this API key.
    pub key: Option<String>,
    /// From this address.
    pub address: Option<IpAddr>,
    /// That listen to this channel.
    pub channel: Option<ChannelName>,
    /// On this wire.
    pub wire: Option<Wire>,
}

/// How to send one reader away.
#[derive(Debug)]
pub struct Farewell(Arc<Bell>);

impl Farewell {
    /// Says goodbye with `reason`; the reader should stay away for `retry` milliseconds.
    pub fn say(self, reason: CloseReason, retry: u32) {
        self.0.close(reason, retry);
    }
}

impl Listeners {
    /// Another limit for those who come.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(crate) fn new(limit: usize) -> Self {
        Self { bells: Slab::new(), limit, serial: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bells.len()
    }

    /// Takes one in, if there is room; gives its place, and the bell that it is called by.
    pub(crate) fn enter(&mut self, join: &Join) -> Option<(usize, Arc<Bell>)> {
        if self.bells.len() >= self.limit {
            return None;
        }
        self.serial += 1;
        let bell = Bell::new(Card {
            serial: self.serial,
            identity: join.identity.clone(),
            wire: join.wire,
            since: clock::unix_millis(),
            channels: Mutex::new(SmallVec::new()),
        });
        Some((self.bells.insert(bell.clone()), bell))
    }

    pub(crate) fn leave(&mut self, place: usize) {
        self.bells.remove(place);
        if self.bells.is_empty() {
            self.bells.shrink_to_fit();
        }
    }

    pub(crate) fn all(&self) -> Vec<Farewell> {
        self.bells.iter().map(|(_, bell)| Farewell(bell.clone())).collect()
    }

    /// How to send those away that are meant.
    pub(crate) fn farewells(&self, which: &Which) -> Vec<Farewell> {
        self.meant(which).map(|bell| Farewell(bell.clone())).collect()
    }

    /// The first `limit` behind `after` of those that are meant, by their number; and whether there are more.
    pub(crate) fn list(&self, which: &Which, after: u64, limit: usize) -> (Vec<Connection>, bool) {
        let cards = self.meant(which).map(|bell| &bell.card);
        let mut cards: Vec<&Card> = cards.filter(|card| card.serial > after).collect();
        cards.sort_unstable_by_key(|card| card.serial);
        let more = cards.len() > limit;
        (cards.into_iter().take(limit).map(Card::show).collect(), more)
    }

    fn meant<'a>(&'a self, which: &'a Which) -> impl Iterator<Item = &'a Arc<Bell>> {
        self.bells.iter().map(|(_, bell)| bell).filter(|bell| bell.card.is(which))
    }
}

impl Card {
    /// It listens to these channels now.
    pub(crate) fn set_channels(&self, channels: impl IntoIterator<Item = ChannelName>) {
        *self.channels.lock() = channels.into_iter().collect();
    }

    fn is(&self, which: &Which) -> bool {
        let Which { id, client, user, key, address, channel, wire } = which;
        let own_key = self.identity.key();
        id.is_none_or(|id| id == self.serial)
            && client.as_ref().is_none_or(|client| *client == self.identity.client)
            && user.as_deref().is_none_or(|user| self.identity.is_of(user))
            && key.as_deref().is_none_or(|key| own_key.is_some_and(|own| **own == *key))
            && address.is_none_or(|address| self.identity.address == Some(address))
            && channel.as_ref().is_none_or(|channel| self.channels.lock().contains(channel))
            && wire.is_none_or(|wire| wire == self.wire)
    }

    fn show(&self) -> Connection {
        let identity = &self.identity;
        Connection {
            id: self.serial,
            wire: self.wire.name(),
            user: identity.user.as_ref().map(|user| user.as_str().to_owned()),
            key: identity.key().map(|name| name.to_string()),
            address: identity.address,
            channels: self.channels.lock().to_vec(),
            since: self.since,
        }
    }
}

impl Identity {
    /// The name of the API key that vouches for it.
    pub fn key(&self) -> Option<&Arc<str>> {
        match &self.standing {
            Standing::Backend(name) => Some(name),
            Standing::Claimed | Standing::Proven => None,
        }
    }

    fn is_of(&self, user: &str) -> bool {
        self.user.as_ref().is_some_and(|own| own.as_str() == user)
    }
}
