//! The rules of each namespace: its own, and those that it inherits.

use std::sync::Arc;

use tricast_admission::{AccessLevel, ApiKey, HookEvent, ModelNames, NamespaceRules};
use tricast_core::{ChannelRules, Namespaces};

use crate::settings::{AccessRule, Key, Llm, Namespace, Settings};

/// The name of the rules for channels that match no namespace.
const DEFAULT_RULES_NAME: &str = "[access], because no [[namespace]] matches";

impl Settings {
    /// Whether users are verified, rather than known by a name that they choose themselves.
    pub(super) fn verifies_users(&self) -> bool {
        self.tokens.has_keys() || !self.key.is_empty() || self.hook.is_called_on(HookEvent::Connect)
    }

    /// Returns who may subscribe to channels that match no namespace.
    fn default_subscribe(&self) -> AccessLevel {
        let auto = if self.tokens.has_keys() { AccessLevel::Token } else { AccessLevel::Anyone };
        self.access.subscribe.or(auto)
    }

    /// Returns who may publish to channels that match no namespace.
    fn default_publish(&self) -> AccessLevel {
        let auto = match (self.tokens.has_keys(), self.key.is_empty()) {
            (true, _) => AccessLevel::Token,
            (false, false) => AccessLevel::Backend,
            (false, true) => AccessLevel::Anyone,
        };
        self.access.publish.or(auto)
    }

    /// Returns who may prompt in channels that match no namespace, and which models. `auto` is
    /// anyone, and the demo alone.
    fn default_prompt(&self) -> (AccessLevel, Option<ModelNames>) {
        if self.access.prompt != AccessRule::Auto {
            return (self.access.prompt.or(AccessLevel::Nobody), None);
        }
        let demos = self.llm.iter().filter(|upstream| upstream.is_demo());
        let models: Vec<String> = demos.flat_map(Llm::model_names).map(|(name, _)| name).collect();
        let level = match models.is_empty() {
            true => AccessLevel::Nobody,
            false => AccessLevel::Anyone,
        };
        (level, Some(ModelNames::parse(models).unwrap_or_else(|_| ModelNames::none())))
    }

    /// Returns the access rules of each namespace.
    pub fn namespace_rules(&self) -> Namespaces<NamespaceRules> {
        let (prompt, models) = self.default_prompt();
        let defaults = NamespaceRules {
            name: DEFAULT_RULES_NAME.into(),
            subscribe: self.default_subscribe(),
            publish: self.default_publish(),
            publish_rate: self.rates.messages_per_channel,
            presence: self.access.presence,
            prompt,
            models,
        };
        let rules = |(index, namespace): (usize, &Namespace)| {
            let name = format!("[[namespace]] {} (\"{}\")", index + 1, namespace.pattern);
            let rules = NamespaceRules {
                name: name.into(),
                subscribe: namespace.subscribe.unwrap_or(defaults.subscribe),
                publish: namespace.publish.unwrap_or(defaults.publish),
                publish_rate: namespace.messages_per_second.unwrap_or(defaults.publish_rate),
                presence: namespace.presence.unwrap_or(defaults.presence),
                prompt: namespace.prompt.unwrap_or(defaults.prompt),
                models: match (namespace.prompt, &namespace.models) {
                    (_, Some(own)) if self.access.prompt != AccessRule::Auto => Some(own.clone()),
                    (Some(_), own) => own.clone(),
                    // What `auto` permits is the demo alone, whatever else is listed.
                    (None, _) => defaults.models.clone(),
                },
            };
            (namespace.pattern.clone(), rules)
        };
        let list = self.namespace.iter().enumerate().map(rules).collect();
        Namespaces::new(list, defaults)
    }

    /// Returns the rules of each namespace that the log applies to its channels.
    pub fn channel_rules(&self) -> Namespaces<Arc<ChannelRules>> {
        let unlimited_if_zero = |max: u32| if max == 0 { u32::MAX } else { max };
        let defaults = ChannelRules::default()
            .with_namespace_index(self.namespace.len())
            .with_history(self.history.bounds(&self.log))
            .with_visible(self.history.visible(&self.log))
            .with_slow_reader(self.stream.slow_reader)
            .with_online(self.access.online)
            .with_subscribers(unlimited_if_zero(self.limits.subscribers_per_channel))
            .with_presence(self.access.presence);
        let is_on_disk = self.log.is_on_disk();
        let rules = |(index, namespace): (usize, &Namespace)| {
            let subscribers = namespace.subscribers.map(unlimited_if_zero);
            let rules = ChannelRules::default()
                .with_namespace_index(index)
                .with_history(namespace.history.bounds_or(&defaults.history))
                .with_visible(namespace.history.visible_or(defaults.visible, is_on_disk))
                .with_slow_reader(namespace.slow_reader.unwrap_or(defaults.slow_reader))
                .with_online(namespace.online.unwrap_or(defaults.online))
                .with_subscribers(subscribers.unwrap_or(defaults.subscribers))
                .with_presence(namespace.presence.unwrap_or(defaults.presence))
                .with_log(namespace.log.unwrap_or(defaults.log));
            (namespace.pattern.clone(), Arc::new(rules))
        };
        let list = self.namespace.iter().enumerate().map(rules).collect();
        Namespaces::new(list, Arc::new(defaults))
    }

    /// Returns the API keys of backends.
    pub fn api_keys(&self) -> Vec<ApiKey> {
        self.key.iter().map(Key::to_api_key).collect()
    }

    /// Returns all rates of publishing and prompting, to compare them with those of other settings.
    pub(crate) fn publish_rates(&self) -> impl PartialEq + use<> {
        let of_channels =
            |namespace: &Namespace| (namespace.pattern.clone(), namespace.messages_per_second);
        let namespaces: Vec<_> = self.namespace.iter().map(of_channels).collect();
        let prompts = (self.relay.prompts_per_user, self.relay.prompts_per_address);
        (self.rates.clone(), namespaces, prompts)
    }
}
