//! Addresses to listen on: an address of TCP, or the path of a unix socket.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};
use socket2::SockAddr;

/// Prefix of the path of a unix socket.
const UNIX: &str = "unix:";

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// An address of TCP, such as `127.0.0.1:8080`.
    Tcp(SocketAddr),
    /// The path of a unix socket, such as `unix:/run/tricast/http.sock`.
    Unix(PathBuf),
}

impl Address {
    /// Whether a socket bound to `actual` serves this address. Port 0 matches every port.
    pub fn matches(&self, actual: &Self) -> bool {
        match (self, actual) {
            (Address::Tcp(own), Address::Tcp(actual)) if own.port() == 0 => own.ip() == actual.ip(),
            _ => self == actual,
        }
    }

    /// Whether only one of the two can be bound. Port 0 conflicts with none; `0.0.0.0` covers every
    /// address of IPv4, and `[::]` every address of both families.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let (Address::Tcp(one), Address::Tcp(other)) = (self, other) else { return self == other };
        // `[::ffff:127.0.0.1]` is 127.0.0.1.
        let ip = |address: &SocketAddr| address.ip().to_canonical();
        let scope = |address: &SocketAddr| match address {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let covers = |all: &SocketAddr, one: &SocketAddr| {
            ip(all).is_unspecified() && (ip(all).is_ipv6() || ip(one).is_ipv4())
        };
        let same = ip(one) == ip(other) && scope(one) == scope(other);
        one.port() == other.port()
            && one.port() != 0
            && (same || covers(one, other) || covers(other, one))
    }

    /// Whether only this machine can connect to it.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(address) => address.ip().is_loopback(),
            Address::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(UNIX) {
            Some(path) if path.starts_with('/') => match SockAddr::unix(path) {
                Ok(_) => Ok(Address::Unix(path.into())),
                Err(error) => Err(format!(
                    "{text:?} cannot be the path of a unix socket ({error}); choose a shorter one"
                )),
            },
            Some(_) => Err(format!("{text:?}: write the path of a unix socket from /")),
            None => text.parse().map(Address::Tcp).map_err(|_| {
                format!(
                    "{text:?} is not an address to listen on; write \"127.0.0.1:8080\", \
                     \"[::1]:8080\" or \"unix:/run/tricast/http.sock\""
                )
            }),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}
