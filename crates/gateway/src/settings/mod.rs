//! The settings: gateway.toml is the reference and the default; a file and the environment
//! override it.
//!
//! Each section has a file of its own: its keys, their checks, and which of them wait for a
//! restart.

use serde::{Deserialize, Serialize};

#[macro_use]
mod reload;

mod access;
mod address_list;
mod admin;
mod check;
mod cors;
mod delivery;
mod endpoint;
mod environment;
mod events;
mod explain;
mod history;
mod hook;
mod key;
mod key_addition;
mod key_path;
mod layers;
mod limits;
mod llm;
mod log;
mod logging;
mod namespace;
mod presence;
mod proxy;
mod publish;
pub(crate) mod range;
mod rates;
mod relay;
mod rules;
mod safety;
mod settings_file;
mod shutdown;
mod stream;
mod tls;
mod tokens;
mod unknown_key;
mod upstream_key;
mod value_error;
mod ws;

pub use access::{Access, AccessRule};
pub use admin::Admin;
pub use cors::Cors;
pub use delivery::Delivery;
pub use environment::SECURITY_KEYS;
pub(crate) use environment::variable_named;
pub use events::{EventKind, Events};
pub use history::History;
pub use hook::Hook;
pub use key::Key;
pub(crate) use key_addition::{KeyAddition, key_block};
pub use layers::Loaded;
pub use limits::Limits;
pub use llm::{Llm, ModelEntry, ModelMapping};
pub use log::{FsyncPolicy, HistoryAge, Log, LogEngine};
pub use logging::{LogFormat, Logging};
pub use namespace::{Namespace, NamespaceHistory};
pub use presence::Presence;
pub use proxy::{ForwardedFields, Proxy, TrustedProxy};
pub use publish::Publish;
pub use rates::Rates;
pub use relay::{Busy, Leave, Relay};
pub(crate) use reload::Reload;
pub(crate) use settings_file::SettingsFile;
pub use shutdown::Shutdown;
pub use stream::Stream;
pub use tls::Tls;
pub use tokens::{TokenKeyFile, Tokens};
pub use ws::WebSockets;

pub use tricast_net::Address;

/// The built-in gateway.toml.
pub const REFERENCE: &str = include_str!("../../../../gateway.toml");

/// All settings. gateway.toml describes each of them.
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
    pub llm: Vec<Llm>,
    pub admin: Admin,
    pub tls: Tls,
    pub tokens: Tokens,
    pub access: Access,
    pub relay: Relay,
    pub hook: Hook,
    pub events: Events,
    pub rates: Rates,
    pub history: History,
    pub log: Log,
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

classify!(Settings {
    live: key, namespace, llm;
    // Sockets, threads and routes are created with these.
    restart: bind, base_path, insecure, dashboard, delivery, shards;
    sections: admin, tls, tokens, access, relay, hook, events, rates, history, log, stream,
        presence, ws, publish, limits, shutdown, cors, proxy, logging;
});

/// Whether something is on: always, never, or on loopback addresses only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Switch {
    Auto,
    On,
    Off,
}

impl Settings {
    /// Returns the settings with the addresses that a gateway has really bound: inherited sockets
    /// may be elsewhere, and port 0 has become a port. Checks that depend on addresses use these.
    pub(crate) fn bound_at(&self, plain: Vec<Address>, encrypted: Vec<Address>) -> Self {
        let mut settings = self.clone();
        settings.bind = plain;
        settings.tls.bind = encrypted;
        settings
    }

    /// Returns the addresses that clients connect to, plain and encrypted.
    fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.bind.iter().chain(&self.tls.bind)
    }

    /// Whether only this machine, which includes a proxy on it, can reach the gateway.
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
