//! A connection as operators see it: its reader, wire and channels.

use std::{net::IpAddr, sync::Arc};

use serde::Serialize;
use smallvec::SmallVec;

use crate::{ChannelName, ClientId, Identity, Wire, clock, sync::Mutex};

/// The description of an open connection.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    serial: u64,
    identity: Arc<Identity>,
    wire: Wire,
    since: u64,
    /// The channels asked for, which share the log's names; mostly one.
    channels: Mutex<SmallVec<[ChannelName; 1]>>,
}

/// A connection as it is shown to operators, without the client id: anyone who knows a client id
/// can impersonate the client.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionSummary {
    /// The number of the connection, which is never used again.
    pub id: u64,
    /// The name of its wire.
    pub wire: &'static str,
    /// Its user, if known.
    pub user: Option<String>,
    /// The name of its API key, if it has one.
    pub key: Option<String>,
    /// Its address, if known.
    pub address: Option<IpAddr>,
    /// The channels that it asked for.
    pub channels: Vec<ChannelName>,
    /// When it was opened: milliseconds since 1970-01-01 UTC.
    pub since: u64,
}

/// A filter of connections; all given fields have to match.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    /// The number of the connection.
    pub id: Option<u64>,
    /// The client id.
    pub client: Option<ClientId>,
    /// The user.
    pub user: Option<String>,
    /// The name of the API key.
    pub key: Option<String>,
    /// The address.
    pub address: Option<IpAddr>,
    /// A channel to which the connection is subscribed.
    pub channel: Option<ChannelName>,
    /// The wire.
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

    /// Sets the channels to which the connection is subscribed.
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
