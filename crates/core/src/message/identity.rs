//! Who is there: clients, users, and the one rule of skip-self.

use std::{net::IpAddr, sync::Arc};

use crate::{ChannelName, ClientId, Kind, Problem, UserId};

/// Who vouches for an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Nobody: whoever comes says who it is.
    #[default]
    Unverified,
    /// Nobody, where users are verified: so there is no user.
    Anonymous,
    /// A token, or the service behind the gateway.
    Verified,
    /// An API key of this name, which speaks for anybody.
    ApiKey(Arc<str>),
}

/// Who reads on a connection.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The client.
    pub client: ClientId,
    /// Its user, if known.
    pub user: Option<UserId>,
    /// The gateway made the client id up: it lives only as long as the connection.
    pub issued: bool,
    /// Who vouches for the user.
    pub trust: Trust,
    /// What others are told of the user: JSON.
    pub info: Option<Arc<str>>,
    /// Where it comes from, if that says something.
    pub address: Option<IpAddr>,
}

/// A channel that belongs to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} belongs to that user alone; come as that user")]
pub struct Forbidden(ChannelName);

impl Problem for Forbidden {
    fn kind(&self) -> Kind {
        Kind::Forbidden
    }
}

impl Identity {
    /// One that nobody vouches for.
    pub fn unverified(client: Option<ClientId>, user: Option<UserId>) -> Self {
        let issued = client.is_none();
        let client = client.unwrap_or_else(ClientId::issue);
        Self { client, user, issued, trust: Trust::Unverified, info: None, address: None }
    }

    /// Whether it may read `channel`: a user's own is nobody else's.
    ///
    /// # Errors
    /// When it may not.
    pub fn may_read(&self, channel: &ChannelName) -> Result<(), Forbidden> {
        match channel.owner() {
            owner @ Some(_) if owner != self.user.as_ref().map(UserId::as_str) => {
                Err(Forbidden(channel.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The name of the API key that vouches for it.
    pub fn api_key(&self) -> Option<&Arc<str>> {
        match &self.trust {
            Trust::ApiKey(name) => Some(name),
            Trust::Unverified | Trust::Anonymous | Trust::Verified => None,
        }
    }

    /// Whom the online count counts: a user with three tabs is one, a client without a user its own.
    pub fn online_key(&self) -> OnlineKey {
        match &self.user {
            Some(user) => OnlineKey::User(user.clone()),
            None => OnlineKey::Client(self.client.clone()),
        }
    }
}

/// One head in the online count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OnlineKey {
    /// A user, whatever number of clients.
    User(UserId),
    /// A client without a user.
    Client(ClientId),
}

/// Who published a message; kept with it, never shown to readers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Publisher {
    /// The client, when it named itself.
    pub client: Option<ClientId>,
    /// Its user, when known.
    pub user: Option<UserId>,
    /// Who vouches for the user.
    pub trust: Trust,
}

impl Publisher {
    /// Whether `reader` is the very client that published. A publisher that names a user
    /// must be of the reader's user, and where users are proven so must everybody else: a client id alone
    /// is not enough to pass for somebody.
    pub fn is_self(&self, reader: &Identity) -> bool {
        let any_user = self.user.is_none()
            && match self.trust {
                Trust::Unverified | Trust::ApiKey(_) => true,
                Trust::Anonymous | Trust::Verified => false,
            };
        self.client.as_ref() == Some(&reader.client) && (any_user || self.user == reader.user)
    }
}

impl From<&Identity> for Publisher {
    fn from(identity: &Identity) -> Self {
        let Identity { client, user, trust, .. } = identity.clone();
        Self { client: Some(client), user, trust }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_of_another_user_is_not_the_publisher() {
        let client: ClientId = "tab-0123456789abcdef".parse().expect("fits");
        let alice = || "alice".parse::<UserId>().ok();
        let reader = Identity::unverified(Some(client.clone()), alice());
        let by = |user: Option<&str>| Publisher {
            client: Some(client.clone()),
            user: user.and_then(|u| u.parse().ok()),
            trust: Trust::Unverified,
        };
        assert!(by(Some("alice")).is_self(&reader));
        assert!(by(None).is_self(&reader));
        assert!(!by(Some("mallory")).is_self(&reader));
        assert!(!Publisher { client: None, ..by(Some("alice")) }.is_self(&reader));
        let proven = |user| Publisher { trust: Trust::Verified, ..by(user) };
        assert!(proven(Some("alice")).is_self(&reader));
        assert!(!proven(None).is_self(&reader), "an unknown with alice's client id");
        let anonymous = Publisher { trust: Trust::Anonymous, ..by(None) };
        assert!(!anonymous.is_self(&reader), "no user where users are verified");
        let backend = Trust::ApiKey("shop".into());
        assert!(Publisher { trust: backend, ..by(None) }.is_self(&reader));
    }
}
