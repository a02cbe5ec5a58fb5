//! The settings: gateway.toml is the reference and the default, a file and the environment override it.

use std::{collections::HashMap, ffi::OsString, net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use bytesize::ByteSize;
use config::{Config, Environment, File, FileFormat};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tricast_core::SlowReader;

mod access;
mod backend;
mod check;

pub use access::{Access, AccessRule, Key, Namespace, NamespaceHistory, TokenKeyFile, Tokens};
pub use backend::{EventKind, Events, Hook};

/// The built-in gateway.toml.
pub const REFERENCE: &str = include_str!("../../../gateway.toml");

/// Everything that can be set. What each means stands in gateway.toml.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Settings {
    pub bind: SocketAddr,
    pub base_path: String,
    pub insecure: bool,
    pub dashboard: Switch,
    pub delivery: Delivery,
    pub shards: usize,
    pub key: Vec<Key>,
    pub namespace: Vec<Namespace>,
    pub admin: Admin,
    pub tokens: Tokens,
    pub access: Access,
    pub hook: Hook,
    pub events: Events,
    pub rates: Rates,
    pub history: History,
    pub stream: Stream,
    pub presence: Presence,
    pub ws: WebSockets,
    pub publish: Publish,
    pub limits: Limits,
    pub shutdown: Shutdown,
    pub cors: Cors,
    pub proxy: Proxy,
    pub logging: Logging,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Admin {
    pub bind: SocketAddr,
    pub hosts: Vec<String>,
}

/// `[history]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct History {
    pub messages: usize,
    pub bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub age: Duration,
    pub memory: ByteSize,
    pub tombstones: usize,
}

/// `[stream]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Stream {
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    #[serde(with = "humantime_serde")]
    pub retry: Duration,
    #[serde(with = "humantime_serde")]
    pub online_interval: Duration,
    pub slow_reader: SlowReader,
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
}

/// `[presence]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Presence {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    pub immediate: usize,
}

/// `[ws]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct WebSockets {
    pub compression: bool,
    pub rate: u32,
}

/// `[publish]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Publish {
    #[serde(with = "humantime_serde")]
    pub idempotency_window: Duration,
    pub idempotency_entries: usize,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Limits {
    pub connections: usize,
    pub channels: usize,
    pub channels_per_connection: usize,
    pub connections_per_address: usize,
    pub connections_per_user: usize,
    pub subscribers_per_channel: u32,
    pub message_bytes: ByteSize,
    pub body_memory: ByteSize,
    pub head_bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub overload: Duration,
}

impl Limits {
    /// The most bytes of one message's data.
    pub fn message_bytes(&self) -> usize {
        usize::try_from(self.message_bytes.as_u64()).unwrap_or(usize::MAX)
    }
}

/// `[shutdown]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Shutdown {
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

/// `[cors]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Cors {
    pub origins: Vec<String>,
}

/// `[rates]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Rates {
    pub messages_per_user: u32,
    pub messages_per_key: u32,
    pub messages_per_address: u32,
    pub messages_per_channel: u32,
    pub bytes_per_user: ByteSize,
    pub bytes_per_key: ByteSize,
    pub bytes_per_address: ByteSize,
}

/// `[proxy]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Proxy {
    pub trusted: Vec<IpNet>,
}

/// `[logging]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Logging {
    pub level: String,
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

/// Who writes streams to their sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Delivery {
    Auto,
    IoUring,
    Epoll,
    Generic,
}

impl Delivery {
    /// As it is written in gateway.toml.
    pub fn name(self) -> &'static str {
        match self {
            Delivery::Auto => "auto",
            Delivery::IoUring => "io_uring",
            Delivery::Epoll => "epoll",
            Delivery::Generic => "generic",
        }
    }
}

/// On, off, or as the address suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Switch {
    Auto,
    On,
    Off,
}

impl Settings {
    /// The reference, overridden by `file` if there is one, overridden by the environment.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a value does not fit; the error names it.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut layers = Config::builder().add_source(File::from_str(REFERENCE, FileFormat::Toml));
        if let Some(path) = file {
            layers = layers.add_source(File::from(path).format(FileFormat::Toml));
        }
        // What is not UTF-8 is none of ours.
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let vars = std::env::vars_os().filter_map(text);
        let (secrets, plain) = vars.partition(|(name, _)| name.ends_with("__SECRET"));
        let environment = |vars: HashMap<String, String>| {
            Environment::with_prefix("TRICAST")
                .prefix_separator("__")
                .separator("__")
                .source(Some(vars))
        };
        let plain = environment(plain)
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("cors.origins")
            .with_list_parse_key("admin.hosts")
            .with_list_parse_key("proxy.trusted")
            .with_list_parse_key("hook.on")
            .with_list_parse_key("hook.headers")
            .with_list_parse_key("events.on");
        // A secret that looks like a number is none.
        let secrets = environment(secrets);
        let settings: Self = layers
            .add_source(plain)
            .add_source(secrets)
            .build()
            .and_then(Config::try_deserialize)
            .with_context(|| match file {
                Some(path) => format!("settings from {} and the environment", path.display()),
                None => "settings from the environment".to_owned(),
            })?;
        settings.check()?;
        Ok(settings)
    }

    /// The reference, overridden by `text` in TOML.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_toml(text: &str) -> anyhow::Result<Self> {
        let settings: Self = Config::builder()
            .add_source(File::from_str(REFERENCE, FileFormat::Toml))
            .add_source(File::from_str(text, FileFormat::Toml))
            .build()?
            .try_deserialize()?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether the page at / is served.
    pub fn serves_dashboard(&self) -> bool {
        match self.dashboard {
            Switch::On => true,
            Switch::Off => false,
            Switch::Auto => self.bind.ip().is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Settings, String> {
        Settings::from_toml(text).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_reference_is_good_and_names_every_key() {
        let settings = with("").expect("the built-in gateway.toml is good");
        let value = serde_json::to_value(&settings).expect("serializes");
        let sections = value.as_object().expect("a table");
        for (section, value) in sections {
            for key in value.as_object().into_iter().flat_map(|keys| keys.keys()) {
                let text = REFERENCE.split(&format!("[{section}]")).nth(1).expect(section);
                let text = text.split("\n[").next().unwrap_or_default();
                assert!(text.contains(&format!("\n{key} = ")), "{section}.{key}");
            }
        }
    }

    #[test]
    fn a_presence_channel_is_explained_by_the_channel_it_is_about() {
        let settings = with("[[namespace]]\npattern = \"orders.*\"\npresence = true");
        let settings = settings.expect("is good");
        let explain = |name: &str| settings.explain(&name.parse().expect("a channel"));
        let own = explain("orders.42");
        assert!(
            own.contains("presence             told to whoever may listen, in ~orders.42"),
            "{own}"
        );
        assert_eq!(explain("~orders.42"), format!("~orders.42 tells who is in orders.42\n{own}"));
        assert!(explain("other").contains("presence             told to nobody"));
    }

    #[test]
    fn an_unknown_key_or_a_bad_value_is_named() {
        let cases = [
            ("[stream]\nheartbit = \"1s\"", "heartbit"),
            ("[stream]\nheartbeat = \"soon\"", "heartbeat"),
            ("[stream]\nheartbeat = \"0s\"", "stream.heartbeat"),
            ("[stream]\nstall_timeout = \"30days\"", "stream.stall_timeout"),
            ("[stream]\nretry = \"40days\"", "stream.retry"),
            ("[limits]\nhead_timeout = \"1000000years\"", "limits.head_timeout"),
            ("[history]\nmessages = 0", "history.messages"),
            ("[history]\nage = \"0s\"", "history.age"),
            ("[cors]\norigins = [\"https://app.example/\"]", "cors.origins"),
            ("base_path = \"/{x}\"", "base_path"),
            ("base_path = \"/a/*b\"", "base_path"),
            ("[stream]\nslow_reader = \"shrug\"", "shrug"),
            ("[typo]\na = 1", "typo"),
            ("[presence]\ngrace = \"2h\"", "presence.grace"),
            ("[presence]\ninterval = \"0s\"", "presence.interval"),
            ("[[namespace]]\npattern = \"@*\"\npresence = true", "presence"),
            ("delivery = \"fast\"", "fast"),
            ("shards = 257", "shards"),
            ("bind = \"nowhere\"", "bind"),
            ("bind = \"0.0.0.0:1\"", "insecure = true"),
            ("base_path = \"x/\"", "base_path"),
            ("[history]\nbytes = 5", "history.bytes"),
            ("[limits]\nhead_bytes = \"1KiB\"", "head_bytes"),
            ("[hook]\nurl = \"shop.example/hook\"\non = [\"connect\"]", "hook.url"),
            ("[hook]\nurl = \"https://shop.example/\"", "hook.on"),
            ("[hook]\non = [\"connect\"]", "hook.url"),
            ("[hook]\non = [\"look\"]", "look"),
            ("[hook]\nheaders = [\"a b\"]", "hook.headers"),
            ("[hook]\nsecret = \"short\"", "hook.secret"),
            ("[hook]\ntimeout = \"0s\"", "hook.timeout"),
            ("[hook]\nretries = 11", "hook.retries"),
            ("[hook]\nat_once = 0", "hook.at_once"),
            ("[events]\non = [\"gone\"]", "events.url"),
            ("[events]\nbatch = 0", "events.batch"),
            ("[events]\nqueue = 99", "events.queue"),
            ("[events]\ninterval = \"2h\"", "events.interval"),
            (
                "[cors]\norigins = [\"*\"]\n[hook]\nurl = \"https://a/\"\non = [\"connect\"]",
                "cookie",
            ),
        ];
        for (text, word) in cases {
            let error = with(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(with("bind = \"0.0.0.0:1\"\ninsecure = true").is_ok());
        let hook = "bind = \"0.0.0.0:1\"\n[hook]\nurl = \"https://a/\"\non = ";
        assert!(with(&format!("{hook}[\"publish\"]")).is_ok(), "somebody is kept out");
        assert!(with(&format!("{hook}[\"connect\"]")).is_err(), "a POST connects to nothing");
    }

    /// Safe by default: on a public address somebody has to be kept out (design §6).
    #[test]
    fn a_public_address_needs_keys_and_no_open_namespace() {
        let secret = "[tokens]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
        let key = format!("[[key]]\nname = \"k\"\nhash = \"sha256:{}\"\n", "0".repeat(64));
        let public = |text: &str| with(&format!("bind = \"0.0.0.0:1\"\n{text}"));
        assert!(public(secret).is_ok());
        assert!(public(&key).is_ok(), "with a key nobody else publishes");
        let open = "[[namespace]]\npattern = \"chat\"\npublish = \"anyone\"\n";
        let error = public(&format!("{open}{secret}")).expect_err("chat is open");
        assert!(error.contains("[[namespace]] 1 (\"chat\")"), "{error}");
        let error = public("[access]\npublish = \"anyone\"").expect_err("all is open");
        assert!(error.contains("[access]"), "{error}");
        let error = public("[access]\npublish = \"nobody\"").expect_err("no key");
        assert!(error.contains("no key is set"), "{error}");
    }

    #[test]
    fn bad_admission_is_named() {
        let hash = format!("sha256:{}", "0".repeat(64));
        let keys = |name: &str| format!("[[key]]\nname = \"{name}\"\nhash = \"{hash}\"\n");
        let cases = [
            ("[tokens]\ncookie = \"a b\"".to_owned(), "tokens.cookie"),
            ("[tokens]\njwks_url = \"http://login.example/keys\"".to_owned(), "tokens.jwks_url"),
            ("[tokens]\njwks_url = \"login.example\"".to_owned(), "tokens.jwks_url"),
            ("[tokens]\njwks_refresh = \"0s\"".to_owned(), "tokens.jwks_refresh"),
            ("[[tokens.keys]]\nalgorithm = \"none\"\nfile = \"x\"".to_owned(), "none"),
            (format!("{}{}", keys("a"), keys("a")), "key.name"),
            (keys("a b"), "key.name"),
            ("[[key]]\nname = \"a\"\nhash = \"secret\"".to_owned(), "sha256:"),
            (format!("{}publish = [\"a/b\"]", keys("a")), "a/b"),
            ("[[namespace]]\npattern = \"a*\"".to_owned(), "a*"),
            ("[[namespace]]\npattern = \"a\"\nsubscribers = -1".to_owned(), "subscribers"),
            ("[[namespace]]\npattern = \"a\"\nread = \"anyone\"".to_owned(), "read"),
            ("[[namespace]]\npattern = \"a\"\nsubscribe = \"all\"".to_owned(), "all"),
            ("[[namespace]]\npattern = \"a\"\nhistory = { messages = 0 }".to_owned(), "history"),
            ("[[namespace]]\npattern = \"a\"\nhistory = { bytes = 5 }".to_owned(), "history"),
            ("[[namespace]]\npattern = \"a\"\npublish = \"backend\"".to_owned(), "tricast key"),
            ("[access]\nsubscribe = \"token\"".to_owned(), "[tokens]"),
            ("[rates]\nbytes_per_user = \"1KiB\"".to_owned(), "rates.bytes_per_user"),
            ("[proxy]\ntrusted = [\"10.0.0.0/33\"]".to_owned(), "proxy.trusted"),
            ("[limits]\nbody_memory = \"1KiB\"".to_owned(), "limits.body_memory"),
            ("[cors]\norigins = [\"*\"]\n[tokens]\ncookie = \"a\"".to_owned(), "cors.origins"),
        ];
        for (text, word) in cases {
            let error = with(&text).expect_err(&text);
            assert!(error.contains(word), "{text}: {error}");
        }
        let short = with("[tokens]\nsecret = \"short\"").expect("a text").token_keys();
        let error = format!("{:#}", short.expect_err("too short"));
        assert!(error.contains("tokens.secret") && error.contains("32 bytes"), "{error}");
        let shown = format!("{:?}", with("[tokens]\nsecret = \"shown to nobody\""));
        assert!(!shown.contains("shown to nobody"), "{shown}");
    }

    /// What stands in the comments of gateway.toml is good too.
    #[test]
    fn the_examples_in_the_reference_are_good() {
        let hash = format!("sha256:{}", "0".repeat(64));
        let examples: Vec<&str> =
            REFERENCE.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
        let text = examples.join("\n").replace("sha256:...", &hash);
        let settings = with(&format!("{text}\n[tokens]\nsecret = \"x\"")).expect(&text);
        assert_eq!((settings.key.len(), settings.namespace.len()), (1, 1), "{text}");
    }

    #[test]
    fn what_a_namespace_does_not_say_is_as_elsewhere() {
        let settings = with(
            "[[namespace]]\npattern = \"a.*\"\nhistory = { messages = 5 }\nonline = false
             [history]\nage = \"2h\"\n[limits]\nsubscribers_per_channel = 7",
        )
        .expect("good");
        let rules = settings.channel_rules();
        let of = |name: &str| rules.of(&name.parse().expect("fits"));
        let inside = of("a.b");
        assert_eq!((inside.history.messages, inside.online, inside.subscribers), (5, false, 7));
        assert_eq!(inside.history.age, Duration::from_secs(7200));
        assert_eq!((of("b").history.messages, of("b").online), (1000, true));
    }
}
