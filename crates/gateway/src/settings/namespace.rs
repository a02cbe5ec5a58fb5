//! Namespaces: rules for the channels that match a pattern.

use std::time::Duration;

use anyhow::Context as _;
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use tricast_admission::{AccessLevel, ModelNames};
use tricast_core::{Bounds, ChannelPattern, SlowReader, Visible};

use crate::settings::{
    Busy,
    range::{DAY, SECOND, check_time, size_text},
};

/// `[[namespace]]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Namespace {
    pub pattern: ChannelPattern,
    pub subscribe: Option<AccessLevel>,
    pub publish: Option<AccessLevel>,
    pub online: Option<bool>,
    pub presence: Option<bool>,
    pub slow_reader: Option<SlowReader>,
    pub subscribers: Option<u32>,
    pub messages_per_second: Option<u32>,
    pub log: Option<bool>,
    pub prompt: Option<AccessLevel>,
    pub models: Option<ModelNames>,
    #[serde(default, with = "humantime_serde")]
    pub orphan: Option<Duration>,
    pub busy: Option<Busy>,
    #[serde(default)]
    pub history: NamespaceHistory,
}

/// The `history` of a `[[namespace]]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct NamespaceHistory {
    pub messages: Option<usize>,
    pub bytes: Option<ByteSize>,
    #[serde(default, with = "humantime_serde")]
    pub age: Option<Duration>,
    pub visible: Option<VisibleHistory>,
}

/// The `visible` of a namespace's `history`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct VisibleHistory {
    pub messages: Option<usize>,
    #[serde(default, with = "humantime_serde")]
    pub age: Option<Duration>,
}

impl Namespace {
    pub(super) fn check(&self, message_bytes: ByteSize) -> anyhow::Result<()> {
        let Self { pattern, presence, history, .. } = self;
        anyhow::ensure!(
            *presence != Some(true) || !pattern.as_str().starts_with('@'),
            "namespace \"{pattern}\": presence: a user's own channel has only one user; remove \
             presence"
        );
        anyhow::ensure!(
            history.messages.is_none_or(|messages| messages >= 1)
                && history.bytes.is_none_or(|bytes| bytes >= message_bytes)
                && history.age.is_none_or(|age| age >= SECOND),
            "namespace \"{pattern}\": history: messages is at least 1, bytes is at least {} \
             (limits.message_bytes), and age is at least 1s",
            size_text(message_bytes.as_u64())
        );
        if let Some(orphan) = self.orphan {
            check_time("orphan", orphan, Duration::ZERO..=DAY)
                .with_context(|| format!("namespace \"{pattern}\""))?;
        }
        let fits = |visible: &VisibleHistory| {
            visible.messages.is_none_or(|messages| messages >= 1)
                && visible.age.is_none_or(|age| age >= SECOND)
        };
        anyhow::ensure!(
            history.visible.as_ref().is_none_or(fits),
            "namespace \"{pattern}\": history.visible: messages is at least 1, and age at least 1s"
        );
        Ok(())
    }
}

impl NamespaceHistory {
    /// Returns the bounds of the namespace's channels: its own, else those of `defaults`.
    pub(super) fn bounds_or(&self, defaults: &Bounds) -> Bounds {
        Bounds::default()
            .with_messages(self.messages.unwrap_or(defaults.messages))
            .with_bytes(self.bytes.map_or(defaults.bytes, |bytes| bytes.as_u64() as usize))
            .with_age(self.age.unwrap_or(defaults.age))
    }

    /// Returns the limits of what readers may see: those of `visible`, else the bounds that the
    /// namespace sets, if more than memory has is kept (`is_on_disk`), else `defaults`. Bytes bound
    /// memory alone.
    pub(super) fn visible_or(&self, defaults: Visible, is_on_disk: bool) -> Visible {
        let own = self.visible.clone().unwrap_or_default();
        let messages = self.messages.filter(|_| is_on_disk && self.visible.is_none());
        let age = self.age.filter(|_| is_on_disk);
        Visible {
            messages: own.messages.or(messages).unwrap_or(defaults.messages),
            age: own.age.or(age).unwrap_or(defaults.age),
        }
    }
}
