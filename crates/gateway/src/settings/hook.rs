//! The hook: the user's own service decides what a client may do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tricast_admission::{HookConfig, HookEvent, Secret};

use crate::settings::{
    endpoint::{check_endpoint, is_field_name},
    range::{DAY, MILLISECOND, SECOND, check_time},
};

/// The most outgoing connections: each takes a file descriptor that a client cannot have.
const MAX_CONCURRENT: usize = 10_000;

/// `[hook]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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

classify!(Hook {
    // The client, its cache and its circuit breaker are built with these.
    restart: url, secret, on, headers, timeout, retries, at_once, cache, open_after, open_for;
});

impl Hook {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_endpoint("hook", &self.url, &self.secret, self.on.is_empty())?;
        for name in &self.headers {
            anyhow::ensure!(
                is_field_name(name),
                "hook.headers: {name:?} is not the name of a header field (RFC 9110 section 5.1)"
            );
        }
        anyhow::ensure!(
            self.retries <= 10,
            "hook.retries: from 0 to 10 (all within hook.timeout); it is {}",
            self.retries
        );
        anyhow::ensure!(
            (1..=MAX_CONCURRENT).contains(&self.at_once),
            "hook.at_once: from 1 to {MAX_CONCURRENT}; it is {}",
            self.at_once
        );
        check_time("hook.timeout", self.timeout, 10 * MILLISECOND..=60 * SECOND)?;
        check_time("hook.cache", self.cache, Duration::ZERO..=DAY)?;
        check_time("hook.open_for", self.open_for, 10 * MILLISECOND..=DAY)
    }

    /// Whether the hook is asked on this event.
    pub fn is_called_on(&self, event: HookEvent) -> bool {
        !self.url.is_empty() && self.on.contains(&event)
    }

    /// Returns the rules by which the hook is called.
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

    /// Returns the most connections that calls of the hook may need.
    pub fn connections(&self) -> usize {
        if self.url.is_empty() { 0 } else { self.at_once }
    }

    /// Whether a call of the hook carries this header of the client's request.
    pub(super) fn forwards_header(&self, header: &str) -> bool {
        !self.url.is_empty() && self.headers.iter().any(|name| name.eq_ignore_ascii_case(header))
    }
}
