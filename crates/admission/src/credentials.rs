//! Credentials of a request.

use std::net::IpAddr;

use tricast_core::{ClientId, Denied, Identity, Kind, UserId, Wire};

use crate::api_key;

/// The credentials and claims of a request, as the HTTP layer has read them.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The token or API key of `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// The token in the query, for clients that can set nothing but the URL.
    pub query: Option<String>,
    /// The token among the subprotocols of a WebSocket.
    pub subprotocol: Option<String>,
    /// The token in a cookie, which a browser adds by itself.
    pub cookie: Option<String>,
    /// The client id that the request claims.
    pub client: Option<ClientId>,
    /// The user that the request claims.
    pub user: Option<UserId>,
    /// The client's address; `None` where it stands for no client (loopback, a proxy).
    pub address: Option<IpAddr>,
    /// The wire that the request opens a stream on, if any.
    pub wire: Option<Wire>,
    /// A credential where it is not read.
    pub misplaced: Option<MisplacedCredential>,
    /// The headers that are forwarded to the hook.
    pub headers: Vec<(String, String)>,
}

/// A credential where the gateway does not read it. It is not refused, because it may be meant for
/// a proxy, but a client that lacks a credential learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MisplacedCredential {
    /// An `Authorization` header with another scheme than `Bearer`.
    OtherScheme,
    /// An `X-API-Key` header.
    ApiKeyHeader,
}

impl MisplacedCredential {
    /// Says in a denial where the credential belongs.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::OtherScheme => {
                "; the Authorization header has no Bearer token: write Authorization: Bearer, a \
                 space, and the token or key"
            }
            Self::ApiKeyHeader => {
                "; the gateway does not read X-API-Key: write Authorization: Bearer, a space, and \
                 the token or key"
            }
        }
    }
}

/// The credential that counts.
pub(crate) enum Presented<'a> {
    Nothing,
    Token(&'a str),
    Key(&'a str),
    /// An empty token, with what to leave out.
    Empty(&'static str),
}

impl Credentials {
    /// The identity that the request claims.
    pub(crate) fn claimed_identity(&self) -> Identity {
        let identity = Identity::unverified(self.client.clone(), self.user.clone());
        Identity { address: self.address, ..identity }
    }

    /// Picks the token or key that counts: one that was sent on purpose takes precedence over a
    /// cookie.
    pub(crate) fn presented(&self) -> Result<Presented<'_>, Denied> {
        let on_purpose = [
            (&self.bearer, "the header Authorization: Bearer"),
            (&self.subprotocol, "the subprotocol tricast.token."),
            (&self.query, "the parameter token="),
        ];
        // Its sender expects a token to count, so an empty one is not the same as none.
        let is_empty = |token: &Option<String>| token.as_deref() == Some("");
        if let Some((_, place)) = on_purpose.iter().find(|(token, _)| is_empty(token)) {
            return Ok(Presented::Empty(place));
        }
        let mut given = on_purpose.into_iter().filter_map(|(token, _)| token.as_ref());
        let first = given.next();
        if given.any(|other| Some(other) != first) {
            let detail = "the request has two different tokens; send one";
            return Err(Denied::new(Kind::BadParameter, detail));
        }
        match first.or(self.cookie.as_ref()) {
            None => Ok(Presented::Nothing),
            Some(text) if !api_key::is_key(text) => Ok(Presented::Token(text)),
            Some(text) if self.bearer.is_some() => Ok(Presented::Key(text)),
            Some(_) => {
                let detail = "send an API key as Authorization: Bearer, and never from a browser; \
                              pages use tokens";
                Err(Denied::new(Kind::BadKey, detail))
            }
        }
    }
}

/// Leaves out secrets.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
