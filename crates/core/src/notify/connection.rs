//! A connection as operators see it: who reads, how, and which channels.

use std::{net::IpAddr, sync::Arc};

use serde::Serialize;
use smallvec::SmallVec;

use crate::{ChannelName, ClientId, Identity, Wire, clock, sync::Mutex};

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

impl ConnectionInfo {
    pub(crate) fn new(serial: u64, identity: Arc<Identity>, wire: Wire) -> Self {
        let (since, channels) = (clock::unix_millis(), Mutex::new(SmallVec::new()));
        Self { serial, identity, wire, since, channels }
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// It listens to these channels now.
    pub(crate) fn set_channels(&self, channels: impl IntoIterator<Item = ChannelName>) {
        *self.channels.lock() = channels.into_iter().collect();
    }

    pub(crate) fn matches(&self, filter: &ConnectionFilter) -> bool {
        let ConnectionFilter { id, client, user, key, address, channel, wire } = filter;
        let own_user = self.identity.user.as_ref();
        let own_key = self.identity.api_key();
        id.is_none_or(|id| id == self.serial)
            && client.as_ref().is_none_or(|client| *client == self.identity.client)
            && user.as_deref().is_none_or(|user| own_user.is_some_and(|own| own.as_str() == user))
            && key.as_deref().is_none_or(|key| own_key.is_some_and(|own| **own == *key))
            && address.is_none_or(|address| self.identity.address == Some(address))
            && channel.as_ref().is_none_or(|channel| self.channels.lock().contains(channel))
            && wire.is_none_or(|wire| wire == self.wire)
    }

    pub(crate) fn summary(&self) -> ConnectionSummary {
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
