//! API keys of backends.

use serde::{Deserialize, Serialize};
use tricast_admission::{ApiKey, KeyHash, ModelNames};
use tricast_core::ChannelPattern;

/// `[[key]]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Key {
    pub name: String,
    pub hash: KeyHash,
    #[serde(default)]
    pub subscribe: Vec<ChannelPattern>,
    #[serde(default)]
    pub publish: Vec<ChannelPattern>,
    #[serde(default)]
    pub prompt: Vec<ChannelPattern>,
    pub models: Option<ModelNames>,
}

impl Key {
    /// Checks that the audit log can show the name.
    ///
    /// # Errors
    /// When the name is empty, or has characters other than visible ASCII.
    pub(crate) fn check_name(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.name.is_empty() && self.name.chars().all(|c| c.is_ascii_graphic()),
            "key.name: write printable ASCII characters without spaces; it is {:?}",
            self.name
        );
        Ok(())
    }

    /// Checks the names of all keys: the audit log has to tell one from another.
    ///
    /// # Errors
    /// When one cannot be shown, or two keys have the same name.
    pub(super) fn check_names(keys: &[Self]) -> anyhow::Result<()> {
        for key in keys {
            let same = keys.iter().filter(|other| other.name == key.name).count();
            key.check_name()?;
            anyhow::ensure!(
                same == 1,
                "key.name: {same} keys have the name {:?}; give each key a name of its own",
                key.name
            );
        }
        Ok(())
    }

    /// Returns the key in the form that admission uses.
    pub(super) fn to_api_key(&self) -> ApiKey {
        ApiKey {
            name: self.name.as_str().into(),
            hash: self.hash.clone(),
            subscribe: self.subscribe.clone().into(),
            publish: self.publish.clone().into(),
            prompt: self.prompt.clone().into(),
            models: self.models.clone(),
        }
    }
}
