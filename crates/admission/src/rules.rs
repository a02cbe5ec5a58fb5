//! Access rules of namespaces.

use std::sync::Arc;

use tricast_core::{Action, ChannelPattern};

use crate::{Claims, ModelNames};

/// The credential that an action requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLevel {
    /// No credential.
    Anyone,
    /// A token or an API key that names the channel.
    Token,
    /// An API key that names the channel.
    Backend,
    /// No credential suffices.
    Nobody,
}

/// The rules of one namespace.
#[derive(Clone, Debug)]
pub struct NamespaceRules {
    /// The namespace's name: its pattern, or "the rest".
    pub name: Arc<str>,
    /// Who may subscribe, and read the history.
    pub subscribe: AccessLevel,
    /// Who may publish.
    pub publish: AccessLevel,
    /// Rate limit of each channel, in messages a second; 0 means no limit.
    pub publish_rate: u32,
    /// Whether subscribers may see who is present.
    pub presence: bool,
    /// Who may prompt.
    pub prompt: AccessLevel,
    /// The models that may be asked; `None` means all.
    pub models: Option<ModelNames>,
}

impl NamespaceRules {
    /// Returns the credential that `act` requires.
    pub fn level_for(&self, act: Action) -> AccessLevel {
        match act {
            Action::Subscribe | Action::Read => self.subscribe,
            Action::Publish => self.publish,
            Action::Prompt => self.prompt,
            Action::Erase if self.publish == AccessLevel::Nobody => AccessLevel::Nobody,
            // Where anyone may publish, still only a backend may take back what others published.
            Action::Erase => AccessLevel::Backend,
        }
    }
}

/// The channels that a token or an API key names.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    pub(crate) subscribe: Arc<[ChannelPattern]>,
    pub(crate) publish: Arc<[ChannelPattern]>,
    pub(crate) prompt: Arc<[ChannelPattern]>,
    /// The models that may be asked; `None` means all.
    pub(crate) models: Option<ModelNames>,
    /// End of the rights, in milliseconds since 1970.
    pub(crate) expires: Option<u64>,
}

impl From<Claims> for Rights {
    fn from(claims: Claims) -> Self {
        let Claims { subscribe, publish, prompt, models, expires, .. } = claims;
        Self { subscribe, publish, prompt, models, expires: Some(expires) }
    }
}

impl Rights {
    pub(crate) fn lists(&self, act: Action, channel: &tricast_core::ChannelName) -> bool {
        let patterns = match act {
            Action::Subscribe | Action::Read => &self.subscribe,
            Action::Publish | Action::Erase => &self.publish,
            Action::Prompt => &self.prompt,
        };
        patterns.iter().any(|pattern| pattern.matches(channel))
    }
}
