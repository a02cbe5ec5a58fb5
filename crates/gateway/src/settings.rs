//! The settings: gateway.toml is the reference and the default, a file and the environment override it.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use bytesize::ByteSize;
use config::{Config, Environment, File, FileFormat};
use serde::{Deserialize, Serialize};
use tricast_core::SlowReader;

use crate::origin::is_origin;

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
    pub admin: Admin,
    pub history: History,
    pub stream: Stream,
    pub ws: WebSockets,
    pub publish: Publish,
    pub limits: Limits,
    pub shutdown: Shutdown,
    pub cors: Cors,
    pub logging: Logging,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Admin {
    pub bind: SocketAddr,
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
    pub message_bytes: ByteSize,
    pub head_bytes: ByteSize,
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
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
        let environment = Environment::with_prefix("TRICAST")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("cors.origins");
        let settings: Self =
            layers.add_source(environment).build().and_then(Config::try_deserialize).with_context(
                || match file {
                    Some(path) => format!("settings from {} and the environment", path.display()),
                    None => "settings from the environment".to_owned(),
                },
            )?;
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

    fn check(&self) -> anyhow::Result<()> {
        let path = &self.base_path;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
        anyhow::ensure!(
            path.is_empty()
                || path.starts_with('/') && !path.ends_with('/') && path.bytes().all(plain),
            "base_path: begin it with / and end it without, of A-Z a-z 0-9 / - _ . ~, as in \"/realtime\"; it is {path:?}"
        );
        anyhow::ensure!(
            self.shards <= 256,
            "shards: from 0 to 256; 0 is half the processors. It is {}",
            self.shards
        );
        let message = self.limits.message_bytes.as_u64();
        let sizes = [
            ("limits.head_bytes", self.limits.head_bytes, 8 << 10, 16 << 20, ""),
            ("limits.message_bytes", self.limits.message_bytes, 1, 1 << 30, ""),
            (
                "history.bytes",
                self.history.bytes,
                message,
                u64::MAX,
                " (limits.message_bytes, or a large message would be lost at once)",
            ),
            (
                "history.memory",
                self.history.memory,
                4 * message,
                u64::MAX,
                " (four times limits.message_bytes: a message and its encodings)",
            ),
        ];
        for (name, size, least, most, why) in sizes {
            let fits = (least..=most).contains(&size.as_u64());
            anyhow::ensure!(
                fits,
                "{name}: from {least} to {most} bytes{why}; it is {}",
                size.as_u64()
            );
        }
        anyhow::ensure!(
            self.history.messages >= 1,
            "history.messages: at least 1; live readers read from it too"
        );
        const MILLISECOND: Duration = Duration::from_millis(1);
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_secs(86_400);
        let times = [
            ("history.age", self.history.age, SECOND, 3650 * DAY),
            ("stream.heartbeat", self.stream.heartbeat, 10 * MILLISECOND, DAY),
            ("stream.retry", self.stream.retry, MILLISECOND, DAY),
            ("stream.online_interval", self.stream.online_interval, MILLISECOND, DAY),
            ("stream.stall_timeout", self.stream.stall_timeout, 100 * MILLISECOND, DAY),
            ("publish.idempotency_window", self.publish.idempotency_window, MILLISECOND, 30 * DAY),
            ("limits.head_timeout", self.limits.head_timeout, 100 * MILLISECOND, DAY),
            ("limits.body_timeout", self.limits.body_timeout, 100 * MILLISECOND, DAY),
            ("shutdown.delay", self.shutdown.delay, Duration::ZERO, DAY),
            ("shutdown.grace", self.shutdown.grace, MILLISECOND, DAY),
        ];
        for (name, time, least, most) in times {
            anyhow::ensure!(
                (least..=most).contains(&time),
                "{name}: from {least:?} to {most:?}; it is {time:?}"
            );
        }
        for origin in &self.cors.origins {
            anyhow::ensure!(
                origin == "*" || is_origin(origin),
                "cors.origins: {origin:?} is no origin as browsers send it: \"https://app.example\", without a path or the scheme's own port"
            );
        }
        anyhow::ensure!(
            self.insecure || self.bind.ip().is_loopback(),
            "bind = \"{}\" is not a loopback address, and anyone who reaches it could publish and listen. \
             Bind to 127.0.0.1 behind a proxy that checks who comes, or set insecure = true if you mean it",
            self.bind
        );
        Ok(())
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
            ("delivery = \"fast\"", "fast"),
            ("shards = 257", "shards"),
            ("bind = \"nowhere\"", "bind"),
            ("bind = \"0.0.0.0:1\"", "insecure = true"),
            ("base_path = \"x/\"", "base_path"),
            ("[history]\nbytes = 5", "history.bytes"),
            ("[limits]\nhead_bytes = \"1KiB\"", "head_bytes"),
        ];
        for (text, word) in cases {
            let error = with(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(with("bind = \"0.0.0.0:1\"\ninsecure = true").is_ok());
    }
}
