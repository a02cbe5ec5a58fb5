//! The settings of what is asked of, and told to, the user's own service.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tricast_admission::{BackendClient, HookConfig, HookEvent, Secret};

use crate::settings::Settings;

/// The most outgoing connections: each is a descriptor that no client can have.
const AT_ONCE_MAX: usize = 10_000;

/// `[hook]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Hook {
    pub url: String,
    pub secret: Secret,
    pub on: Vec<HookEvent>,
    pub headers: Vec<String>,
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    pub retries: usize,
    pub at_once: usize,
    #[serde(with = "humantime_serde")]
    pub cache: Duration,
    pub open_after: u32,
    #[serde(with = "humantime_serde")]
    pub open_for: Duration,
}

/// `[events]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Events {
    pub url: String,
    pub secret: Secret,
    pub on: Vec<EventKind>,
    pub batch: usize,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    pub queue: usize,
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// What may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum EventKind {
    Connected,
    Disconnected,
    Online,
    Gone,
}

impl Hook {
    /// Whether it is asked then.
    pub fn is_called_on(&self, event: HookEvent) -> bool {
        !self.url.is_empty() && self.on.contains(&event)
    }

    /// How it is asked.
    pub fn rules(&self) -> HookConfig {
        HookConfig {
            on: self.on.clone(),
            headers: self.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            timeout: self.timeout,
            retries: self.retries,
            max_concurrent: self.at_once,
            cache_ttl: self.cache,
            open_after: self.open_after,
            open_for: self.open_for,
        }
    }

    /// Connections that it may need.
    pub fn connections(&self) -> usize {
        if self.url.is_empty() { 0 } else { self.at_once }
    }

    fn forwards_header(&self, header: &str) -> bool {
        !self.url.is_empty() && self.headers.iter().any(|name| name.eq_ignore_ascii_case(header))
    }
}

impl Settings {
    pub(super) fn check_backend(&self) -> anyhow::Result<()> {
        let hook = &self.hook;
        check_endpoint("hook", &hook.url, &hook.secret, hook.on.is_empty())?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        for name in &hook.headers {
            anyhow::ensure!(
                !name.is_empty() && name.bytes().all(plain),
                "hook.headers: each is the name of a field (RFC 9110 section 5.1); not {name:?}"
            );
        }
        anyhow::ensure!(
            hook.retries <= 10,
            "hook.retries: from 0 to 10, all within hook.timeout; it is {}",
            hook.retries
        );
        anyhow::ensure!(
            (1..=AT_ONCE_MAX).contains(&hook.at_once),
            "hook.at_once: from 1 to {AT_ONCE_MAX}; it is {}",
            hook.at_once
        );
        let events = &self.events;
        check_endpoint("events", &events.url, &events.secret, events.on.is_empty())?;
        anyhow::ensure!(
            (1..=10_000).contains(&events.batch),
            "events.batch: from 1 to 10000; it is {}",
            events.batch
        );
        // One stream may take as many places as it has channels.
        let least = events.batch.max(self.limits.channels_per_connection);
        anyhow::ensure!(
            (least..=10_000_000).contains(&events.queue),
            "events.queue: from {least} (events.batch, limits.channels_per_connection) to 10000000; it is {}",
            events.queue
        );
        let any_page = self.cors.origins.iter().any(|origin| origin == "*");
        anyhow::ensure!(
            !any_page || !hook.forwards_header("cookie"),
            "cors.origins = [\"*\"] with \"cookie\" in hook.headers: any page could use the cookies of those who visit \
             it; list the origins, or leave cookie out"
        );
        Ok(())
    }
}

/// What holds for whatever is called.
fn check_endpoint(section: &str, url: &str, secret: &Secret, never: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        url.is_empty() || BackendClient::is_url(url),
        "{section}.url: an https:// URL of your own service (http:// where nobody else can listen)"
    );
    anyhow::ensure!(
        url.is_empty() == never,
        "{section}.url and {section}.on belong together: where to, and when; set both, or neither"
    );
    anyhow::ensure!(
        secret.is_empty() || secret.expose().len() >= 32,
        "{section}.secret: at least 32 bytes; make one with `openssl rand -hex 32`"
    );
    Ok(())
}
