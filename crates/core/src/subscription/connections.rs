//! Everybody who listens: how to send them away, and what an operator is shown of them.

use std::{net::IpAddr, sync::Arc};

use serde::Serialize;
use slab::Slab;
use smallvec::SmallVec;

use crate::{
    ChannelName, ClientId, CloseReason, Identity, Join, Trust, Wire, clock,
    notify::waker::ReaderWaker, sync::Mutex,
};

/// Everybody who listens, up to a limit.
#[derive(Debug)]
pub(crate) struct Connections {
    wakers: Slab<Arc<ReaderWaker>>,
    limit: usize,
    /// How many there have been.
    serial: u64,
}

/// Who somebody is who listens.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    serial: u64,
    identity: Arc<Identity>,
    wire: Wire,
    since: u64,
    /// What it has asked for, as the log has it; mostly one.
    channels: Mutex<SmallVec<[ChannelName; 1]>>,
}

/// What an operator is shown of a connection. Client ids are not: who knows one can pass for it.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionSummary {
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
pub struct ConnectionFilter {
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
pub struct CloseHandle(Arc<ReaderWaker>);

impl CloseHandle {
    /// Says goodbye with `reason`; the reader should stay away for `retry` milliseconds.
    pub fn close(self, reason: CloseReason, retry: u32) {
        self.0.close(reason, retry);
    }
}

impl Connections {
    /// Another limit for those who come.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(crate) fn new(limit: usize) -> Self {
        Self { wakers: Slab::new(), limit, serial: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Takes one in, if there is room; gives its place, and the bell that it is called by.
    pub(crate) fn register(&mut self, join: &Join) -> Option<(usize, Arc<ReaderWaker>)> {
        if self.wakers.len() >= self.limit {
            return None;
        }
        self.serial += 1;
        let waker = ReaderWaker::new(ConnectionInfo {
            serial: self.serial,
            identity: join.identity.clone(),
            wire: join.wire,
            since: clock::unix_millis(),
            channels: Mutex::new(SmallVec::new()),
        });
        Some((self.wakers.insert(waker.clone()), waker))
    }

    pub(crate) fn unregister(&mut self, index: usize) {
        self.wakers.remove(index);
        if self.wakers.is_empty() {
            self.wakers.shrink_to_fit();
        }
    }

    pub(crate) fn all_close_handles(&self) -> Vec<CloseHandle> {
        self.wakers.iter().map(|(_, waker)| CloseHandle(waker.clone())).collect()
    }

    /// How to send those away that are meant.
    pub(crate) fn close_handles(&self, filter: &ConnectionFilter) -> Vec<CloseHandle> {
        self.matching(filter).map(|waker| CloseHandle(waker.clone())).collect()
    }

    /// The first `limit` behind `after` of those that are meant, by their number; and whether there are more.
    pub(crate) fn list(
        &self,
        filter: &ConnectionFilter,
        after: u64,
        limit: usize,
    ) -> (Vec<ConnectionSummary>, bool) {
        let infos = self.matching(filter).map(|waker| &waker.info);
        let mut infos: Vec<&ConnectionInfo> = infos.filter(|info| info.serial > after).collect();
        infos.sort_unstable_by_key(|info| info.serial);
        let more = infos.len() > limit;
        (infos.into_iter().take(limit).map(ConnectionInfo::summary).collect(), more)
    }

    fn matching<'a>(
        &'a self,
        filter: &'a ConnectionFilter,
    ) -> impl Iterator<Item = &'a Arc<ReaderWaker>> {
        self.wakers.iter().map(|(_, waker)| waker).filter(|waker| waker.info.matches(filter))
    }
}

impl ConnectionInfo {
    /// It listens to these channels now.
    pub(crate) fn set_channels(&self, channels: impl IntoIterator<Item = ChannelName>) {
        *self.channels.lock() = channels.into_iter().collect();
    }

    fn matches(&self, filter: &ConnectionFilter) -> bool {
        let ConnectionFilter { id, client, user, key, address, channel, wire } = filter;
        let own_key = self.identity.api_key();
        id.is_none_or(|id| id == self.serial)
            && client.as_ref().is_none_or(|client| *client == self.identity.client)
            && user.as_deref().is_none_or(|user| self.identity.is_user(user))
            && key.as_deref().is_none_or(|key| own_key.is_some_and(|own| **own == *key))
            && address.is_none_or(|address| self.identity.address == Some(address))
            && channel.as_ref().is_none_or(|channel| self.channels.lock().contains(channel))
            && wire.is_none_or(|wire| wire == self.wire)
    }

    fn summary(&self) -> ConnectionSummary {
        let identity = &self.identity;
        ConnectionSummary {
            id: self.serial,
            wire: self.wire.name(),
            user: identity.user.as_ref().map(|user| user.as_str().to_owned()),
            key: identity.api_key().map(|name| name.to_string()),
            address: identity.address,
            channels: self.channels.lock().to_vec(),
            since: self.since,
        }
    }
}

impl Identity {
    /// The name of the API key that vouches for it.
    pub fn api_key(&self) -> Option<&Arc<str>> {
        match &self.trust {
            Trust::ApiKey(name) => Some(name),
            Trust::Unverified | Trust::Verified => None,
        }
    }

    fn is_user(&self, user: &str) -> bool {
        self.user.as_ref().is_some_and(|own| own.as_str() == user)
    }
}
