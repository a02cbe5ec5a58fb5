//! The settings: gateway.toml is the reference and the default, a file and the environment override it.

use std::{net::SocketAddr, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use tricast_admission::Secret;
use tricast_core::SlowReader;

mod access;
mod address_list;
mod backend;
mod check;
mod check_access;
mod environment;
mod explain;
mod key_addition;
mod layers;
mod proxy;
mod reload;
mod tls;

pub use access::{Access, AccessRule, Key, Namespace, NamespaceHistory, TokenKeyFile, Tokens};
pub use backend::{EventKind, Events, Hook};
pub use environment::SECURITY_KEYS;
pub(crate) use key_addition::{KeyAddition, key_block};
pub use layers::Loaded;
pub use proxy::{ForwardedFields, Proxy, TrustedProxy};
pub(crate) use reload::Reload;
pub use tls::Tls;

pub use tricast_net::Address;

/// The built-in gateway.toml.
pub const REFERENCE: &str = include_str!("../../../../gateway.toml");

/// Everything that can be set. What each means stands in gateway.toml.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Settings {
    #[serde(deserialize_with = "address_list::one_or_many")]
    pub bind: Vec<Address>,
    pub base_path: String,
    pub insecure: bool,
    pub dashboard: Switch,
    pub delivery: Delivery,
    pub shards: usize,
    pub key: Vec<Key>,
    pub namespace: Vec<Namespace>,
    pub admin: Admin,
    pub tls: Tls,
    pub tokens: Tokens,
    pub access: Access,
    pub hook: Hook,
    pub events: Events,
    pub rates: Rates,
    pub history: History,
    pub stream: Stream,
    pub presence: Presence,
    pub ws: WebSockets,
    pub publish: Publish,
    pub limits: Limits,
    pub shutdown: Shutdown,
    pub cors: Cors,
    pub proxy: Proxy,
    pub logging: Logging,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Admin {
    pub bind: SocketAddr,
    pub hosts: Vec<String>,
    pub token: Secret,
}

/// `[history]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct History {
    pub messages: usize,
    pub bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub age: Duration,
    pub memory: ByteSize,
    pub tombstones: usize,
}

/// `[stream]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Stream {
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    #[serde(with = "humantime_serde")]
    pub retry: Duration,
    #[serde(with = "humantime_serde")]
    pub online_interval: Duration,
    pub slow_reader: SlowReader,
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
}

/// `[presence]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Presence {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    pub immediate: usize,
}

/// `[ws]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct WebSockets {
    pub compression: bool,
    pub rate: u32,
}

/// `[publish]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Publish {
    #[serde(with = "humantime_serde")]
    pub idempotency_window: Duration,
    pub idempotency_entries: usize,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Limits {
    pub connections: usize,
    pub channels: usize,
    pub channels_per_connection: usize,
    pub connections_per_address: usize,
    pub connections_per_user: usize,
    pub subscribers_per_channel: u32,
    pub message_bytes: ByteSize,
    pub body_memory: ByteSize,
    pub answer_memory: ByteSize,
    pub head_bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub overload: Duration,
}

impl Limits {
    /// The most bytes of one message's data.
    pub fn message_bytes(&self) -> usize {
        usize::try_from(self.message_bytes.as_u64()).unwrap_or(usize::MAX)
    }
}

/// `[shutdown]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Shutdown {
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

/// `[cors]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Cors {
    pub origins: Vec<String>,
}

/// `[rates]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Rates {
    pub messages_per_user: u32,
    pub messages_per_key: u32,
    pub messages_per_address: u32,
    pub messages_per_channel: u32,
    pub bytes_per_user: ByteSize,
    pub bytes_per_key: ByteSize,
    pub bytes_per_address: ByteSize,
}

/// `[logging]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Logging {
    pub level: String,
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

/// Who writes streams to their sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Delivery {
    Auto,
    IoUring,
    Epoll,
    Generic,
}

impl Delivery {
    /// As it is written in gateway.toml.
    pub fn name(self) -> &'static str {
        match self {
            Delivery::Auto => "auto",
            Delivery::IoUring => "io_uring",
            Delivery::Epoll => "epoll",
            Delivery::Generic => "generic",
        }
    }
}

/// On, off, or as the address suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Switch {
    Auto,
    On,
    Off,
}

impl Settings {
    /// The same settings with the addresses that a gateway has bound in fact: sockets that were handed in may be elsewhere, and port 0
    /// has become a port. What holds for an address is checked with these.
    pub(crate) fn bound_at(&self, plain: Vec<Address>, encrypted: Vec<Address>) -> Self {
        let mut settings = self.clone();
        settings.bind = plain;
        settings.tls.bind = encrypted;
        settings
    }

    /// Where clients connect, in clear or encrypted.
    fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.bind.iter().chain(&self.tls.bind)
    }

    /// Whether nobody but this machine can reach it, and who serves others from here.
    fn is_local(&self) -> bool {
        self.addresses().all(Address::is_local)
    }

    /// Whether the page at / is served.
    pub fn serves_dashboard(&self) -> bool {
        match self.dashboard {
            Switch::On => true,
            Switch::Off => false,
            Switch::Auto => self.is_local(),
        }
    }
}

#[cfg(test)]
mod tests;
