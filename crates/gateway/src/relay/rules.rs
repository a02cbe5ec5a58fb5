//! The rules of prompts in the channels of each namespace.

use std::time::Duration;

use tricast_core::Namespaces;

use crate::settings::{Busy, Namespace, Settings};

/// The rules of one namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayRules {
    /// Time without a listener after which an answer is cancelled; zero means never.
    pub(crate) orphan: Duration,
    /// What happens to a prompt while an answer is under way.
    pub(crate) busy: Busy,
}

impl Settings {
    /// Returns the rules of prompts of each namespace.
    pub(crate) fn relay_rules(&self) -> Namespaces<RelayRules> {
        let defaults = RelayRules { orphan: self.relay.orphan, busy: self.relay.busy };
        let rules = |namespace: &Namespace| {
            let orphan = namespace.orphan.unwrap_or(defaults.orphan);
            let busy = namespace.busy.unwrap_or(defaults.busy);
            (namespace.pattern.clone(), RelayRules { orphan, busy })
        };
        Namespaces::new(self.namespace.iter().map(rules).collect(), defaults)
    }
}
