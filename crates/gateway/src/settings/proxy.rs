//! What stands in front of the gateway, and which of its words count.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `[proxy]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Proxy {
    pub trusted: Vec<Trusted>,
    pub fields: Fields,
    pub protocol: bool,
}

/// Whose word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Trusted {
    /// Whoever connects from one of these addresses.
    Network(IpNet),
    /// Whoever connects to a unix socket.
    Unix,
}

/// In which fields proxies tell about their clients. Of two families one is always the client's own to fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Fields {
    XForwarded,
    Forwarded,
}

impl Proxy {
    /// Whether a peer at this address is believed.
    pub fn trusts(&self, address: &IpAddr) -> bool {
        let holds = |trusted: &Trusted| match trusted {
            Trusted::Network(network) => network.contains(address),
            Trusted::Unix => false,
        };
        self.trusted.iter().any(holds)
    }

    /// Whether whoever comes by a unix socket is believed.
    pub fn trusts_unix(&self) -> bool {
        self.trusted.contains(&Trusted::Unix)
    }
}

impl FromStr for Trusted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = || text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match text {
            "unix" => Ok(Trusted::Unix),
            _ => network().map(Trusted::Network).map_err(|_| {
                format!("{text:?} is no network; write \"10.0.0.0/8\", \"127.0.0.1\", or \"unix\"")
            }),
        }
    }
}

impl TryFrom<String> for Trusted {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Trusted> for String {
    fn from(trusted: Trusted) -> String {
        trusted.to_string()
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trusted::Network(network) => network.fmt(f),
            Trusted::Unix => f.write_str("unix"),
        }
    }
}
