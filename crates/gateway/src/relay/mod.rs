//! The relay: lets clients ask models, by the rules of the settings. Who may, and how much, is
//! decided here, once for HTTP and WebSockets; `tricast-llm` runs what is allowed.

mod commands;
pub(crate) mod config;
mod prompting;
mod reading;
mod rules;

use tricast_core::Namespaces;
use tricast_llm::Runs;

pub(crate) use self::{
    prompting::{Asked, hash_of, idempotency_scope, judged_as},
    reading::{CANCELLING, unknown_run},
    rules::RelayRules,
};
use crate::settings::{self, Settings};

/// The runs of the gateway, and the settings under which they are started.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) runs: Runs,
    pub(crate) settings: settings::Relay,
    rules: Namespaces<RelayRules>,
    has_upstreams: bool,
}

impl Relay {
    pub(crate) fn new(runs: Runs, settings: &Settings) -> Self {
        Self {
            runs,
            settings: settings.relay.clone(),
            rules: settings.relay_rules(),
            has_upstreams: !settings.llm.is_empty(),
        }
    }
}
