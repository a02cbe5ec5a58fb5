//! Proxies in front of the gateway, and which of their statements about clients are believed.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// `[proxy]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Proxy {
    pub trusted: Vec<TrustedProxy>,
    pub fields: ForwardedFields,
    pub protocol: bool,
}

/// A trusted proxy: what it says about its clients is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum TrustedProxy {
    /// Every peer that connects from one of these addresses.
    Network(IpNet),
    /// Every peer that connects to a unix socket.
    Unix,
}

/// The header fields in which proxies describe their clients. Only one family counts: a proxy
/// passes on the other one as the client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ForwardedFields {
    XForwarded,
    Forwarded,
}

classify!(Proxy {
    // Sockets and routes are created with these.
    restart: trusted, fields, protocol;
});

impl Proxy {
    /// Whether a peer at this address is a trusted proxy.
    pub fn trusts(&self, address: &IpAddr) -> bool {
        let covers = |trusted: &TrustedProxy| match trusted {
            TrustedProxy::Network(network) => network.contains(address),
            TrustedProxy::Unix => false,
        };
        self.trusted.iter().any(covers)
    }

    /// Whether peers on unix sockets are trusted proxies.
    pub fn trusts_unix(&self) -> bool {
        self.trusted.contains(&TrustedProxy::Unix)
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        for trusted in &self.trusted {
            anyhow::ensure!(
                !matches!(trusted, TrustedProxy::Network(network) if network.prefix_len() == 0),
                "proxy.trusted: {trusted} is everybody, so that any client could claim any \
                 address; name the addresses of the proxies"
            );
        }
        anyhow::ensure!(
            !self.protocol || !self.trusted.is_empty(),
            "proxy.protocol: PROXY headers are accepted only from proxy.trusted, which is empty; \
             name the addresses of the proxies there"
        );
        Ok(())
    }
}

/// Returns the IPv4 network for one that is written as IPv6 (RFC 4291 section 2.5.5.2), because
/// peers are compared by their IPv4 address.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    if let IpNet::V6(mapped) = network
        && let Some(address) = mapped.addr().to_ipv4_mapped()
        && let Some(prefix) = mapped.prefix_len().checked_sub(MAPPED)
        && let Ok(network) = Ipv4Net::new(address, prefix)
    {
        return network.into();
    }
    network
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = || text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match text {
            "unix" => Ok(TrustedProxy::Unix),
            _ => network().map(canonical).map(TrustedProxy::Network).map_err(|_| {
                format!(
                    "{text:?} is not a network; write \"10.0.0.0/8\", \"127.0.0.1\" or \"unix\""
                )
            }),
        }
    }
}

impl TryFrom<String> for TrustedProxy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TrustedProxy> for String {
    fn from(trusted: TrustedProxy) -> String {
        trusted.to_string()
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustedProxy::Network(network) => network.fmt(f),
            TrustedProxy::Unix => f.write_str("unix"),
        }
    }
}
