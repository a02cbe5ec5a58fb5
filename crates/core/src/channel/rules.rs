//! Namespaces: the rules of the channels that match a pattern. The first match applies.

use std::{sync::Arc, time::Duration};

use crate::{ChannelName, ChannelPattern};

/// A value for each namespace, and a default for the channels that match none.
#[derive(Clone, Debug)]
pub struct Namespaces<T> {
    list: Vec<(ChannelPattern, T)>,
    default: T,
}

impl<T> Namespaces<T> {
    /// Makes namespaces from `list`, in order of precedence, and `default` for channels that match
    /// none.
    pub fn new(list: Vec<(ChannelPattern, T)>, default: T) -> Self {
        Self { list, default }
    }

    /// Returns the pattern and the value of each namespace, in order of precedence.
    pub fn list(&self) -> &[(ChannelPattern, T)] {
        &self.list
    }

    /// Returns the value for channels that match no pattern.
    pub fn default_value(&self) -> &T {
        &self.default
    }

    /// Makes another value of each.
    #[must_use]
    pub fn map<U>(&self, make: impl Fn(&T) -> U) -> Namespaces<U> {
        let list = self.list.iter().map(|(pattern, of)| (pattern.clone(), make(of))).collect();
        Namespaces { list, default: make(&self.default) }
    }

    /// Returns the value for `channel`.
    pub fn for_channel(&self, channel: &ChannelName) -> &T {
        let found = self.list.iter().find(|(pattern, _)| pattern.matches(channel));
        found.map_or(&self.default, |(_, of)| of)
    }

    /// Iterates over all values, the default last.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.list.iter().map(|(_, of)| of).chain([&self.default])
    }
}

/// The bounds of a channel's history. The default is that of the gateway's settings.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bounds {
    /// The most messages.
    pub messages: usize,
    /// The most bytes of data.
    pub bytes: usize,
    /// The longest time since publishing.
    pub age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { messages: 1000, bytes: 16 << 20, age: Duration::from_secs(3600) }
    }
}

impl Bounds {
    /// Sets the most messages.
    pub fn with_messages(mut self, messages: usize) -> Self {
        self.messages = messages;
        self
    }

    /// Sets the most bytes of data.
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets the longest time since publishing.
    pub fn with_age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }
}

/// The limits of what readers may see of a channel's history, however much of it is kept. The
/// default is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    /// The most messages.
    pub messages: usize,
    /// The longest time since publishing.
    pub age: Duration,
}

impl Default for Visible {
    fn default() -> Self {
        Self { messages: usize::MAX, age: Duration::MAX }
    }
}

impl Visible {
    /// Returns the time in milliseconds since 1970 from which on messages are visible at `now`.
    pub(crate) fn since(&self, now: u64) -> u64 {
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        now.saturating_sub(age)
    }
}

/// The policy for a slow consumer: a reader that the history has overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowReader {
    /// The stream reports a gap and continues.
    Gap,
    /// The stream ends.
    Disconnect,
}

/// The rules of a channel, as the log keeps them. The default is that of the gateway's settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChannelRules {
    /// Index of the namespace; the number of namespaces for channels that match none.
    pub namespace_index: usize,
    /// The bounds of the history.
    pub history: Bounds,
    /// The limits of what readers may see of the history.
    pub visible: Visible,
    /// The policy for a slow consumer: a reader that the history overtakes.
    pub slow_reader: SlowReader,
    /// Whether the online counts are public.
    pub online: bool,
    /// The most subscribers.
    pub subscribers: u32,
    /// Whether its presence channel lists its users.
    pub presence: bool,
    /// Whether an engine that stores messages stores those of the channel.
    pub log: bool,
}

impl Default for ChannelRules {
    fn default() -> Self {
        Self {
            namespace_index: 0,
            history: Bounds::default(),
            visible: Visible::default(),
            slow_reader: SlowReader::Gap,
            online: true,
            subscribers: u32::MAX,
            presence: false,
            log: true,
        }
    }
}

impl ChannelRules {
    /// Sets the index of the namespace, by which subscriptions are counted.
    pub fn with_namespace_index(mut self, namespace_index: usize) -> Self {
        self.namespace_index = namespace_index;
        self
    }

    /// Sets the bounds of the history.
    pub fn with_history(mut self, history: Bounds) -> Self {
        self.history = history;
        self
    }

    /// Sets the limits of what readers may see of the history.
    pub fn with_visible(mut self, visible: Visible) -> Self {
        self.visible = visible;
        self
    }

    /// Sets the policy for a slow consumer.
    pub fn with_slow_reader(mut self, slow_reader: SlowReader) -> Self {
        self.slow_reader = slow_reader;
        self
    }

    /// Sets whether the online counts are public.
    pub fn with_online(mut self, online: bool) -> Self {
        self.online = online;
        self
    }

    /// Sets the most subscribers.
    pub fn with_subscribers(mut self, subscribers: u32) -> Self {
        self.subscribers = subscribers;
        self
    }

    /// Sets whether an engine that stores messages stores those of the channel.
    pub fn with_log(mut self, log: bool) -> Self {
        self.log = log;
        self
    }

    /// Sets whether the presence channel lists the users.
    pub fn with_presence(mut self, presence: bool) -> Self {
        self.presence = presence;
        self
    }
}

impl Namespaces<Arc<ChannelRules>> {
    /// Returns the log's rules for `channel`. A presence channel has the default rules, but
    /// without an online count, presence, or a limit of subscribers, and it is not logged.
    pub(crate) fn rules_for(&self, channel: &ChannelName) -> Arc<ChannelRules> {
        if !channel.is_presence() {
            return self.for_channel(channel).clone();
        }
        let default = ChannelRules::clone(&self.default);
        let (online, presence, log, subscribers) = (false, false, false, u32::MAX);
        Arc::new(ChannelRules { online, presence, log, subscribers, ..default })
    }

    /// Returns the rules for `channel` with `presence` and `log` as they were `before`. They cannot
    /// be switched at run time: the users of an occupied channel were not recorded, and a channel
    /// that is logged from now on would look complete.
    pub(crate) fn rules_fixed_by(&self, before: &Self, channel: &ChannelName) -> Arc<ChannelRules> {
        let (rules, before) = (self.rules_for(channel), before.rules_for(channel));
        let (presence, log) = (before.presence, before.log);
        match (rules.presence, rules.log) == (presence, log) {
            true => rules,
            false => Arc::new(ChannelRules { presence, log, ..ChannelRules::clone(&rules) }),
        }
    }

    /// Whether `channel` has a presence channel.
    pub(crate) fn has_presence_channel(&self, channel: &ChannelName) -> bool {
        self.rules_for(channel).presence && channel.owner().is_none()
    }
}

/// The same history for all channels, and the default of all other rules.
impl From<Bounds> for Namespaces<Arc<ChannelRules>> {
    fn from(history: Bounds) -> Self {
        ChannelRules::default().with_history(history).into()
    }
}

/// The same rules for all channels.
impl From<ChannelRules> for Namespaces<Arc<ChannelRules>> {
    fn from(rules: ChannelRules) -> Self {
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
