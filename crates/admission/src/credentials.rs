//! What a request brings to say who it is from.

use std::net::IpAddr;

use tricast_core::{ClientId, Denied, Identity, Kind, UserId, Wire};

use crate::api_key;

/// What a request brings. Read from it by whoever speaks its protocol.
#[derive(Clone, Default)]
pub struct Credentials {
    /// `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// Where nothing but the URL can be set.
    pub query: Option<String>,
    /// Among the subprotocols of a WebSocket.
    pub subprotocol: Option<String>,
    /// A cookie, which a browser adds by itself.
    pub cookie: Option<String>,
    /// The client that it says it is.
    pub client: Option<ClientId>,
    /// The user that it says it is of.
    pub user: Option<UserId>,
    /// Where it comes from; `None` where that says nothing (loopback, a proxy).
    pub address: Option<IpAddr>,
    /// The wire that it wants to listen on, if any.
    pub wire: Option<Wire>,
    /// Those of its headers that the hook is told.
    pub headers: Vec<(String, String)>,
}

/// What of it counts.
pub(crate) enum Presented<'a> {
    Nothing,
    Token(&'a str),
    Key(&'a str),
}

impl Credentials {
    /// Who it says it is.
    pub(crate) fn claimed_identity(&self) -> Identity {
        let identity = Identity::unverified(self.client.clone(), self.user.clone());
        Identity { address: self.address, ..identity }
    }

    /// The token or key that counts: what was put there on purpose, before what a browser adds.
    pub(crate) fn presented(&self) -> Result<Presented<'_>, Denied> {
        let on_purpose = [&self.bearer, &self.subprotocol, &self.query];
        let mut given = on_purpose.into_iter().flatten();
        let first = given.next();
        if given.any(|other| Some(other) != first) {
            let detail = "two tokens that differ; send one, in one place";
            return Err(Denied::new(Kind::BadParameter, detail));
        }
        match first.or(self.cookie.as_ref()) {
            None => Ok(Presented::Nothing),
            Some(text) if !api_key::is_key(text) => Ok(Presented::Token(text)),
            Some(text) if self.bearer.is_some() => Ok(Presented::Key(text)),
            Some(_) => {
                let detail = "an API key is sent as Authorization: Bearer, and never to a browser; \
                              pages have tokens";
                Err(Denied::new(Kind::BadKey, detail))
            }
        }
    }
}

/// Without what is secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
