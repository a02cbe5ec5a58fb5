//! Who may do what in a namespace.

use std::sync::Arc;

use tricast_core::{Action, ChannelPattern};

use crate::Claims;

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLevel {
    /// Whoever comes.
    Anyone,
    /// Whoever has a token, or an API key, that names the channel.
    Token,
    /// Whoever has an API key that names the channel.
    Backend,
    /// Nobody.
    Nobody,
}

/// The rules of one namespace.
#[derive(Clone, Debug)]
pub struct NamespaceRules {
    /// What it is called: its pattern, or "the rest".
    pub name: Arc<str>,
    /// Who may listen.
    pub subscribe: AccessLevel,
    /// Who may speak.
    pub publish: AccessLevel,
    /// Messages a second for each channel; 0 is any number.
    pub publish_rate: u32,
    /// Whether whoever may listen may also know who is there.
    pub presence: bool,
}

impl NamespaceRules {
    /// Who may.
    pub fn level_for(&self, act: Action) -> AccessLevel {
        match act {
            Action::Subscribe | Action::Read => self.subscribe,
            Action::Publish => self.publish,
        }
    }
}

/// What a token or a key names.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    pub(crate) subscribe: Arc<[ChannelPattern]>,
    pub(crate) publish: Arc<[ChannelPattern]>,
    /// When they end, in milliseconds since 1970.
    pub(crate) expires: Option<u64>,
}

impl From<Claims> for Rights {
    fn from(claims: Claims) -> Self {
        let Claims { subscribe, publish, expires, .. } = claims;
        Self { subscribe, publish, expires: Some(expires) }
    }
}

impl Rights {
    pub(crate) fn lists(&self, act: Action, channel: &tricast_core::ChannelName) -> bool {
        let patterns = match act {
            Action::Subscribe | Action::Read => &self.subscribe,
            Action::Publish => &self.publish,
        };
        patterns.iter().any(|pattern| pattern.matches(channel))
    }
}
