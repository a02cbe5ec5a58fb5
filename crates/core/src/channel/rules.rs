//! Namespaces: what holds for the channels of a pattern. The first that matches a channel is its own.

use std::{sync::Arc, time::Duration};

use crate::{ChannelName, ChannelPattern};

/// Something for each namespace, and for the channels of none.
#[derive(Clone, Debug)]
pub struct Namespaces<T> {
    list: Vec<(ChannelPattern, T)>,
    default: T,
}

impl<T> Namespaces<T> {
    /// In the order in which they are tried; `rest` is for channels that none of them matches.
    pub fn new(list: Vec<(ChannelPattern, T)>, default: T) -> Self {
        Self { list, default }
    }

    /// What holds for `channel`.
    pub fn for_channel(&self, channel: &ChannelName) -> &T {
        let found = self.list.iter().find(|(pattern, _)| pattern.matches(channel));
        found.map_or(&self.default, |(_, of)| of)
    }

    /// All of them, the rest last.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.list.iter().map(|(_, of)| of).chain([&self.default])
    }
}

/// How much of a channel is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Messages.
    pub messages: usize,
    /// Bytes of data.
    pub bytes: usize,
    /// Time since publishing.
    pub age: Duration,
}

/// What happens to a reader that falls behind the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowReader {
    /// It is told what it missed, and goes on.
    Gap,
    /// It is disconnected.
    Disconnect,
}

/// How the log treats a channel.
#[derive(Clone, Debug)]
pub struct ChannelRules {
    /// Whose rules these are: the place of the namespace in its list. Those of channels of none are one place behind.
    pub namespace_index: usize,
    /// What is kept of it.
    pub history: Bounds,
    /// What happens to a reader that falls behind it.
    pub slow_reader: SlowReader,
    /// Whether anybody is told how many listen.
    pub online: bool,
    /// The most connections that may listen.
    pub subscribers: u32,
    /// Whether its presence channel tells who is there.
    pub presence: bool,
}

impl Namespaces<Arc<ChannelRules>> {
    /// What the log holds to for `channel`. A presence channel is like one of no namespace, but that nobody
    /// asks who listens to it.
    pub(crate) fn rules_for(&self, channel: &ChannelName) -> Arc<ChannelRules> {
        if !channel.is_presence() {
            return self.for_channel(channel).clone();
        }
        let default = ChannelRules::clone(&self.default);
        Arc::new(ChannelRules { online: false, presence: false, subscribers: u32::MAX, ..default })
    }

    /// The same rules, but for presence: that stays as `before` has it, because who is in a channel that is already
    /// listened to was not noted.
    pub(crate) fn rules_with_presence_from(
        &self,
        before: &Self,
        channel: &ChannelName,
    ) -> Arc<ChannelRules> {
        let (rules, presence) = (self.rules_for(channel), before.rules_for(channel).presence);
        match rules.presence == presence {
            true => rules,
            false => Arc::new(ChannelRules { presence, ..ChannelRules::clone(&rules) }),
        }
    }

    /// Whether `channel` has a presence channel.
    pub(crate) fn has_presence_channel(&self, channel: &ChannelName) -> bool {
        self.rules_for(channel).presence && channel.owner().is_none()
    }
}

/// The same history for all channels, and nothing else that is special.
impl From<Bounds> for Namespaces<Arc<ChannelRules>> {
    fn from(history: Bounds) -> Self {
        let rules = ChannelRules {
            namespace_index: 0,
            history,
            slow_reader: SlowReader::Gap,
            online: true,
            subscribers: u32::MAX,
            presence: false,
        };
        Self::new(Vec::new(), Arc::new(rules))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_wins() {
        let list = ["a.b", "a.*", "**"].map(|text| (text.parse().expect("fits"), text));
        let namespaces = Namespaces::new(list.into(), "rest");
        let of = |name: &str| *namespaces.for_channel(&name.parse().expect("fits"));
        assert_eq!([of("a.b"), of("a.c"), of("x"), of("@x")], ["a.b", "a.*", "**", "rest"]);
    }
}
