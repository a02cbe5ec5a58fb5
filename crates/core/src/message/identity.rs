//! Identities of readers and publishers, and the rule of skip-self.

use std::{net::IpAddr, sync::Arc};

use crate::{ChannelName, ClientId, Kind, Problem, UserId};

/// The authority that vouches for an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// None: the client's own claim is believed.
    #[default]
    Unverified,
    /// None, although users are verified: so there is no user.
    Anonymous,
    /// A token, or the application's hook.
    Verified,
    /// An API key of this name, which may act for any user.
    ApiKey(Arc<str>),
}

/// The identity of the reader on a connection.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The client id.
    pub client: ClientId,
    /// Its user, if known.
    pub user: Option<UserId>,
    /// Whether the gateway made up the client id, which then lasts only as long as the connection.
    pub issued: bool,
    /// The authority that vouches for the user.
    pub trust: Trust,
    /// Info about the user for others to read, as JSON.
    pub info: Option<Arc<str>>,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
}

/// The error for a channel that belongs to another user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is open to that user only; connect as that user")]
pub struct Forbidden(ChannelName);

impl Problem for Forbidden {
    fn kind(&self) -> Kind {
        Kind::Forbidden
    }
}

impl Identity {
    /// Makes an identity that no authority vouches for; a missing client id is made up.
    pub fn unverified(client: Option<ClientId>, user: Option<UserId>) -> Self {
        let issued = client.is_none();
        let client = client.unwrap_or_else(ClientId::issue);
        Self { client, user, issued, trust: Trust::Unverified, info: None, address: None }
    }

    /// Checks that this reader may read `channel`: a user's own channel is open to no other user.
    ///
    /// # Errors
    /// When the channel belongs to another user.
    pub fn may_read(&self, channel: &ChannelName) -> Result<(), Forbidden> {
        match channel.owner() {
            owner @ Some(_) if owner != self.user.as_ref().map(UserId::as_str) => {
                Err(Forbidden(channel.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Returns the name of the API key that vouches for this identity.
    pub fn api_key(&self) -> Option<&Arc<str>> {
        match &self.trust {
            Trust::ApiKey(name) => Some(name),
            Trust::Unverified | Trust::Anonymous | Trust::Verified => None,
        }
    }

    /// Returns the key by which the online count counts this reader: a user with three tabs is one,
    /// and so is each client without a user.
    pub fn online_key(&self) -> OnlineKey {
        match &self.user {
            Some(user) => OnlineKey::User(user.clone()),
            None => OnlineKey::Client(self.client.clone()),
        }
    }
}

/// A key that counts as one in the online count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OnlineKey {
    /// A user, with any number of clients.
    User(UserId),
    /// A client without a user.
    Client(ClientId),
}
