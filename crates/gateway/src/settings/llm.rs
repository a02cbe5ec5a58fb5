//! Upstreams: the services that answer prompts, by the interface of OpenAI's chat completions.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::Context as _;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use tricast_admission::{ModelNames, Secret};

use crate::settings::{
    endpoint::is_field_name,
    range::{DAY, HOUR, MILLISECOND, SECOND, check_time},
};

/// The URL of the upstream that is built in and answers with a canned text.
const DEMO_URL: &str = "demo:";

/// The model of that upstream.
const DEMO_MODEL: &str = "demo-canned";

/// The most calls of one upstream at once: each takes a file descriptor.
const MAX_CONCURRENT: usize = 10_000;

/// `[[llm]]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Llm {
    pub name: String,
    pub url: String,
    pub key: Secret,
    pub key_file: PathBuf,
    pub models: Vec<ModelEntry>,
    pub headers: BTreeMap<String, Secret>,
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    #[serde(with = "humantime_serde")]
    pub first_token: Duration,
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    pub retries: u32,
    pub at_once: usize,
    pub fallback: Vec<String>,
    pub open_after: u32,
    #[serde(with = "humantime_serde")]
    pub open_for: Duration,
}

/// A model of an upstream.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "write a name in quotes, or { name = \"fast\", model = \"qwen-7b\" }"
)]
#[allow(missing_docs)]
pub enum ModelEntry {
    /// The name that clients and the upstream use.
    Same(String),
    /// The name that clients use, and the one that the upstream knows.
    Mapped(ModelMapping),
}

/// A model whose public name differs from the upstream's.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ModelMapping {
    pub name: String,
    pub model: String,
}

impl Default for Llm {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            key: Secret::default(),
            key_file: PathBuf::new(),
            models: Vec::new(),
            headers: BTreeMap::new(),
            connect: 5 * SECOND,
            first_token: 120 * SECOND,
            idle: 60 * SECOND,
            total: HOUR / 2,
            retries: 2,
            at_once: 50,
            fallback: Vec::new(),
            open_after: 5,
            open_for: 10 * SECOND,
        }
    }
}

impl ModelEntry {
    /// Returns the name that clients use.
    pub fn name(&self) -> &str {
        match self {
            ModelEntry::Same(name) => name,
            ModelEntry::Mapped(mapping) => &mapping.name,
        }
    }

    /// Returns the name that the upstream uses.
    pub fn model(&self) -> &str {
        match self {
            ModelEntry::Same(name) => name,
            ModelEntry::Mapped(mapping) => &mapping.model,
        }
    }
}

impl Llm {
    /// Whether it is the upstream that is built in.
    pub fn is_demo(&self) -> bool {
        self.url == DEMO_URL
    }

    /// Whether it is called with a key, which costs its owner money.
    pub(super) fn has_key(&self) -> bool {
        !self.key.is_empty() || !self.key_file.as_os_str().is_empty()
    }

    /// Whether clients that may ask only the models of `allowed` can ask this upstream.
    pub(super) fn serves(&self, allowed: Option<&ModelNames>) -> bool {
        let Some(allowed) = allowed else { return true };
        let prefix = format!("{}/", self.name);
        let listed = |name: &str| {
            self.models
                .iter()
                .any(|model| model.name() == name.strip_prefix(&prefix).unwrap_or(name))
        };
        // Without a list it takes any name.
        self.models.is_empty() && !self.is_demo() || allowed.iter().any(listed)
    }

    /// Returns the URL without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// Returns the models, each with its public name and the upstream's.
    pub fn model_names(&self) -> Vec<(String, String)> {
        let demo = self.is_demo() && self.models.is_empty();
        let demo = demo.then(|| (DEMO_MODEL.to_owned(), DEMO_MODEL.to_owned()));
        let named = |entry: &ModelEntry| (entry.name().to_owned(), entry.model().to_owned());
        self.models.iter().map(named).chain(demo).collect()
    }

    /// Returns the key: that of the settings, or the one in `key_file`.
    ///
    /// # Errors
    /// When the file cannot be read, or has no key.
    pub fn read_key(&self) -> anyhow::Result<Secret> {
        if self.key_file.as_os_str().is_empty() {
            return Ok(self.key.clone());
        }
        let named = || format!("llm.key_file: {}", self.key_file.display());
        let text = std::fs::read_to_string(&self.key_file).with_context(named)?;
        let key = text.trim();
        anyhow::ensure!(!key.is_empty(), "{}: the file is empty", named());
        check_key(key).with_context(named)?;
        Ok(Secret::from(key.to_owned()))
    }

    /// Checks all upstreams, and that each can be told from the others.
    pub(super) fn check_all(all: &[Self], is_local: bool) -> anyhow::Result<()> {
        for (at, upstream) in all.iter().enumerate() {
            upstream.check(all).map_err(|error| {
                anyhow::anyhow!("llm: [[llm]] {} ({:?}): {error:#}", at + 1, upstream.name)
            })?;
            anyhow::ensure!(
                is_local || !upstream.is_demo(),
                "llm: [[llm]] {}: url = \"demo:\" answers anyone with a canned text, and so only \
                 on loopback addresses; remove it, or bind to 127.0.0.1",
                at + 1
            );
        }
        Ok(())
    }

    fn check(&self, all: &[Self]) -> anyhow::Result<()> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        anyhow::ensure!(
            (1..=32).contains(&self.name.len()) && self.name.bytes().all(is_plain),
            "name: up to 32 of a-z 0-9 -, as in \"main\""
        );
        anyhow::ensure!(
            all.iter().filter(|other| other.name == self.name).count() == 1,
            "name: another [[llm]] has the same; give each a name of its own"
        );
        self.check_url()?;
        anyhow::ensure!(
            self.key.is_empty() || self.key_file.as_os_str().is_empty(),
            "key and key_file are both set; set one"
        );
        check_key(self.key.expose())?;
        let names = self.model_names();
        let count = |name: &str| names.iter().filter(|(other, _)| other == name).count();
        for (name, model) in &names {
            ModelNames::parse(vec![name.clone(), model.clone()]).map_err(anyhow::Error::msg)?;
            anyhow::ensure!(count(name) == 1, "models: {name:?} is there twice; name each once");
        }
        for name in self.headers.keys() {
            anyhow::ensure!(
                is_field_name(name) && !is_own_field(name),
                "headers: {name:?} is no name of a header field, or one that the gateway sets"
            );
        }
        anyhow::ensure!(
            self.headers.values().all(|value| check_key(value.expose()).is_ok()),
            "headers: a value has characters other than visible ASCII"
        );
        for other in &self.fallback {
            let is_other = *other != self.name && all.iter().any(|one| one.name == *other);
            anyhow::ensure!(is_other, "fallback: there is no other [[llm]] {other:?}");
        }
        anyhow::ensure!(self.retries <= 10, "retries: from 0 to 10; it is {}", self.retries);
        anyhow::ensure!(
            (1..=MAX_CONCURRENT).contains(&self.at_once),
            "at_once: from 1 to {MAX_CONCURRENT}; it is {}",
            self.at_once
        );
        check_time("connect", self.connect, 10 * MILLISECOND..=60 * SECOND)?;
        check_time("first_token", self.first_token, 100 * MILLISECOND..=HOUR)?;
        check_time("idle", self.idle, 100 * MILLISECOND..=HOUR)?;
        check_time("total", self.total, SECOND..=DAY)?;
        check_time("open_for", self.open_for, 10 * MILLISECOND..=DAY)
    }

    fn check_url(&self) -> anyhow::Result<()> {
        if self.is_demo() {
            anyhow::ensure!(!self.has_key(), "key: the demo needs none; remove it");
            return Ok(());
        }
        let url: Option<Uri> = self.url.parse().ok();
        let is_http = |url: &Uri| {
            let scheme = url.scheme_str();
            (scheme == Some("https") || scheme == Some("http"))
                && url.host().is_some_and(|host| !host.is_empty())
        };
        let is_bare = |url: &Uri| {
            url.query().is_none()
                && !self.url.contains('#')
                && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        };
        anyhow::ensure!(
            url.as_ref().is_some_and(is_http),
            "url: write the https:// URL that /chat/completions is added to, as in \
             \"https://llm.example/v1\" (http:// only on a network where nobody else can listen)"
        );
        anyhow::ensure!(
            url.as_ref().is_some_and(is_bare),
            "url: it has a password, a query or a fragment; write the key as key, and other fields \
             as headers"
        );
        Ok(())
    }
}

/// The fields of a call that the gateway sets itself.
fn is_own_field(name: &str) -> bool {
    let own = [
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    own.iter().any(|field| name.eq_ignore_ascii_case(field))
}

/// Checks that a secret can stand in a header field.
fn check_key(key: &str) -> anyhow::Result<()> {
    let fits = key.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    anyhow::ensure!(fits, "key: it has characters other than visible ASCII");
    Ok(())
}
