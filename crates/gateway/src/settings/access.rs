//! The settings of admission: tokens, keys, namespaces; and what they come to.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use tricast_admission::{
    AccessLevel, Algorithm, ApiKey, Expectations, HookEvent, KeyHash, NamespaceRules, Rate, Secret,
    TokenKey,
};
use tricast_core::{Bounds, ChannelPattern, ChannelRules, Namespaces, SlowReader};

use crate::settings::Settings;

/// `[tokens]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Tokens {
    pub secret: Secret,
    pub keys: Vec<TokenKeyFile>,
    pub jwks_url: String,
    #[serde(with = "humantime_serde")]
    pub jwks_refresh: Duration,
    pub audience: String,
    pub issuer: String,
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    #[serde(with = "humantime_serde")]
    pub warning: Duration,
    pub cookie: String,
}

/// `[[tokens.keys]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct TokenKeyFile {
    pub algorithm: Algorithm,
    pub file: PathBuf,
    pub id: Option<String>,
}

/// `[[key]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Key {
    pub name: String,
    pub hash: KeyHash,
    #[serde(default)]
    pub subscribe: Vec<ChannelPattern>,
    #[serde(default)]
    pub publish: Vec<ChannelPattern>,
}

impl Key {
    /// # Errors
    /// When it is not called as the audit log can show it.
    pub(crate) fn check_name(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.name.is_empty() && self.name.chars().all(|c| c.is_ascii_graphic()),
            "key.name: printable ASCII without spaces; not {:?}",
            self.name
        );
        Ok(())
    }
}

/// `[access]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Access {
    pub subscribe: AccessRule,
    pub publish: AccessRule,
    pub online: bool,
    pub presence: bool,
}

/// Who may, where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AccessRule {
    Auto,
    Anyone,
    Token,
    Backend,
    Nobody,
}

/// `[[namespace]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
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
    #[serde(default)]
    pub history: NamespaceHistory,
}

/// What a namespace says of its channels' history.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct NamespaceHistory {
    pub messages: Option<usize>,
    pub bytes: Option<ByteSize>,
    #[serde(default, with = "humantime_serde")]
    pub age: Option<Duration>,
}

/// What the namespace of all other channels is called.
const DEFAULT_RULES_NAME: &str = "[access], because no [[namespace]] matches";

impl Settings {
    pub(crate) fn has_token_keys(&self) -> bool {
        let tokens = &self.tokens;
        !(tokens.secret.is_empty() && tokens.keys.is_empty() && tokens.jwks_url.is_empty())
    }

    /// Whether users are known by more than their own word.
    pub(super) fn verifies_users(&self) -> bool {
        self.has_token_keys() || !self.key.is_empty() || self.hook.is_called_on(HookEvent::Connect)
    }

    /// Who may listen to channels of no namespace.
    fn default_subscribe(&self) -> AccessLevel {
        let auto = if self.has_token_keys() { AccessLevel::Token } else { AccessLevel::Anyone };
        self.access.subscribe.or(auto)
    }

    /// Who may speak in channels of no namespace.
    fn default_publish(&self) -> AccessLevel {
        let auto = match (self.has_token_keys(), self.key.is_empty()) {
            (true, _) => AccessLevel::Token,
            (false, false) => AccessLevel::Backend,
            (false, true) => AccessLevel::Anyone,
        };
        self.access.publish.or(auto)
    }

    /// Who may do what where.
    pub fn namespace_rules(&self) -> Namespaces<NamespaceRules> {
        let (subscribe, publish) = (self.default_subscribe(), self.default_publish());
        let rate = self.rates.messages_per_channel;
        let rules = |(index, namespace): (usize, &Namespace)| {
            let name = format!("[[namespace]] {} (\"{}\")", index + 1, namespace.pattern);
            let rules = NamespaceRules {
                name: name.into(),
                subscribe: namespace.subscribe.unwrap_or(subscribe),
                publish: namespace.publish.unwrap_or(publish),
                publish_rate: namespace.messages_per_second.unwrap_or(rate),
                presence: namespace.presence.unwrap_or(self.access.presence),
            };
            (namespace.pattern.clone(), rules)
        };
        let list = self.namespace.iter().enumerate().map(rules).collect();
        let defaults = NamespaceRules {
            name: DEFAULT_RULES_NAME.into(),
            subscribe,
            publish,
            publish_rate: rate,
            presence: self.access.presence,
        };
        Namespaces::new(list, defaults)
    }

    /// How the log treats which channel.
    pub fn channel_rules(&self) -> Namespaces<Arc<ChannelRules>> {
        let unlimited_if_zero = |max: u32| if max == 0 { u32::MAX } else { max };
        let history = Bounds::default()
            .with_messages(self.history.messages)
            .with_bytes(self.history.bytes.as_u64() as usize)
            .with_age(self.history.age);
        let defaults = ChannelRules::default()
            .with_namespace_index(self.namespace.len())
            .with_history(history)
            .with_slow_reader(self.stream.slow_reader)
            .with_online(self.access.online)
            .with_subscribers(unlimited_if_zero(self.limits.subscribers_per_channel))
            .with_presence(self.access.presence);
        let rules = |(index, namespace): (usize, &Namespace)| {
            let (own, mut rules) = (&namespace.history, defaults.clone());
            rules.namespace_index = index;
            rules.history = Bounds::default()
                .with_messages(own.messages.unwrap_or(defaults.history.messages))
                .with_bytes(own.bytes.map_or(defaults.history.bytes, |b| b.as_u64() as usize))
                .with_age(own.age.unwrap_or(defaults.history.age));
            rules.slow_reader = namespace.slow_reader.unwrap_or(defaults.slow_reader);
            rules.online = namespace.online.unwrap_or(defaults.online);
            rules.subscribers =
                namespace.subscribers.map_or(defaults.subscribers, unlimited_if_zero);
            rules.presence = namespace.presence.unwrap_or(defaults.presence);
            (namespace.pattern.clone(), Arc::new(rules))
        };
        let list = self.namespace.iter().enumerate().map(rules).collect();
        Namespaces::new(list, Arc::new(defaults))
    }

    /// The keys of tokens that the settings hold, read from their files.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no key.
    pub fn token_keys(&self) -> anyhow::Result<Vec<TokenKey>> {
        let mut keys = Vec::new();
        if !self.tokens.secret.is_empty() {
            let secret = self.tokens.secret.expose().as_bytes();
            let advice = "tokens.secret: make one with `openssl rand -hex 32`";
            keys.push(TokenKey::from_secret(secret, None).context(advice)?);
        }
        for TokenKeyFile { algorithm, file, id } in &self.tokens.keys {
            let named = || format!("tokens.keys: {}", file.display());
            let text = std::fs::read(file).with_context(named)?;
            let key = TokenKey::from_pem(*algorithm, text.trim_ascii(), id.clone());
            keys.push(key.with_context(named)?);
        }
        Ok(keys)
    }

    /// What tokens must say.
    pub fn token_expectations(&self) -> Expectations {
        Expectations {
            audience: self.tokens.audience.clone(),
            issuer: self.tokens.issuer.clone(),
            leeway: self.tokens.leeway.as_millis() as u64,
        }
    }

    /// The keys of backends.
    pub fn api_keys(&self) -> Vec<ApiKey> {
        let key = |key: &Key| ApiKey {
            name: key.name.as_str().into(),
            hash: key.hash.clone(),
            subscribe: key.subscribe.clone().into(),
            publish: key.publish.clone().into(),
        };
        self.key.iter().map(key).collect()
    }

    /// All rates, to compare them with others.
    pub(crate) fn publish_rates(&self) -> impl PartialEq + use<> {
        let of =
            |namespace: &Namespace| (namespace.pattern.to_string(), namespace.messages_per_second);
        let namespaces: Vec<_> = self.namespace.iter().map(of).collect();
        (serde_json::to_value(&self.rates).unwrap_or_default(), namespaces)
    }

    /// The rates of each user, key and address.
    pub fn publisher_rates(&self) -> [Rate; 3] {
        let rates = &self.rates;
        let rate = |messages, bytes: ByteSize| Rate {
            messages,
            bytes: u32::try_from(bytes.as_u64()).unwrap_or(u32::MAX),
        };
        [
            rate(rates.messages_per_user, rates.bytes_per_user),
            rate(rates.messages_per_key, rates.bytes_per_key),
            rate(rates.messages_per_address, rates.bytes_per_address),
        ]
    }
}

impl AccessRule {
    fn or(self, auto: AccessLevel) -> AccessLevel {
        match self {
            AccessRule::Auto => auto,
            AccessRule::Anyone => AccessLevel::Anyone,
            AccessRule::Token => AccessLevel::Token,
            AccessRule::Backend => AccessLevel::Backend,
            AccessRule::Nobody => AccessLevel::Nobody,
        }
    }
}
