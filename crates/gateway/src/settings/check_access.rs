//! Which settings of admission make sense, and which address they are good enough for.

use std::time::Duration;

use tricast_admission::{AccessLevel, HookEvent, NamespaceRules};
use tricast_core::Namespaces;

use crate::settings::{Address, NamespaceHistory, Settings};

impl Settings {
    pub(super) fn check_key_names(&self) -> anyhow::Result<()> {
        for key in &self.key {
            let same = self.key.iter().filter(|other| other.name == key.name).count();
            key.check_name()?;
            anyhow::ensure!(
                same == 1,
                "key.name: {same} keys are called {:?}; give each its own name",
                key.name
            );
        }
        Ok(())
    }

    pub(super) fn check_access(&self) -> anyhow::Result<()> {
        self.check_key_names()?;
        let message = self.limits.message_bytes.as_u64();
        for (name, size) in [
            ("rates.bytes_per_user", self.rates.bytes_per_user),
            ("rates.bytes_per_key", self.rates.bytes_per_key),
            ("rates.bytes_per_address", self.rates.bytes_per_address),
        ] {
            let fits = size.as_u64() == 0 || (message..=u32::MAX.into()).contains(&size.as_u64());
            anyhow::ensure!(
                fits,
                "{name}: 0, or from {message} bytes (limits.message_bytes) to 4GiB; it is {}",
                size.as_u64()
            );
        }
        for namespace in &self.namespace {
            anyhow::ensure!(
                namespace.presence != Some(true) || !namespace.pattern.as_str().starts_with('@'),
                "namespace \"{}\": presence: a user's own channel has only one user; leave it out",
                namespace.pattern
            );
            let NamespaceHistory { messages, bytes, age } = &namespace.history;
            let fits = messages.is_none_or(|messages| messages >= 1)
                && bytes.is_none_or(|bytes| bytes.as_u64() >= message)
                && age.is_none_or(|age| age >= Duration::from_secs(1));
            anyhow::ensure!(
                fits,
                "namespace \"{}\": history.messages is at least 1, bytes at least {message} \
                 (limits.message_bytes), age at least 1s",
                namespace.pattern
            );
        }
        anyhow::ensure!(
            self.tokens.jwks_url.is_empty() || is_http(&self.tokens.jwks_url),
            "tokens.jwks_url: an https:// URL (http:// only to a loopback address)"
        );
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        anyhow::ensure!(
            self.tokens.cookie.bytes().all(plain),
            "tokens.cookie: a cookie's name (RFC 6265 section 4.1.1); it is {:?}",
            self.tokens.cookie
        );
        let any_origin = self.cors.origins.iter().any(|origin| origin == "*");
        anyhow::ensure!(
            !any_origin || self.tokens.cookie.is_empty(),
            "cors.origins = [\"*\"] with tokens.cookie: any page could use the cookies of those who visit it; \
             list the origins"
        );
        let rules = self.namespace_rules();
        let rule_for = |who: AccessLevel| {
            rules.iter().find(|rule| [rule.subscribe, rule.publish].contains(&who))
        };
        let missing_credential = |credential: &str, rule: &NamespaceRules| {
            format!(
                "{} wants {credential}, and there is none: nobody could ever come in",
                rule.name
            )
        };
        if let Some(rule) = rule_for(AccessLevel::Backend).filter(|_| self.key.is_empty()) {
            anyhow::bail!(
                "{}; make an API key with `tricast key`",
                missing_credential("an API key", rule)
            );
        }
        // The hook can let somebody in as a token would.
        let hook_verifies = self.hook.is_called_on(HookEvent::Connect);
        let no_verification = !self.has_token_keys() && self.key.is_empty() && !hook_verifies;
        if let Some(rule) = rule_for(AccessLevel::Token).filter(|_| no_verification) {
            anyhow::bail!(
                "{}; set [tokens], or a [hook] on connect",
                missing_credential("a token", rule)
            );
        }
        self.check_public(&rules)
    }

    /// Safe by default: on a public address somebody has to be kept out.
    fn check_public(&self, rules: &Namespaces<NamespaceRules>) -> anyhow::Result<()> {
        if self.insecure || self.is_local() {
            return Ok(());
        }
        let hook_decides = self.hook.is_called_on(HookEvent::Publish);
        let open = rules.iter().find(|rule| rule.publish == AccessLevel::Anyone && !hook_decides);
        let keys = self.has_token_keys() || !self.key.is_empty() || !self.hook.url.is_empty();
        let why = match open {
            Some(rule) => format!("anyone who reaches it could publish ({})", rule.name),
            None if !keys => "no key is set".to_owned(),
            None => return Ok(()),
        };
        let setting = |key, list: &[Address]| {
            let public = list.iter().find(|address| !address.is_local());
            public.map(|address| format!("{key} = \"{address}\""))
        };
        let public = setting("bind", &self.bind).or_else(|| setting("tls.bind", &self.tls.bind));
        let public = public.unwrap_or_default();
        anyhow::bail!(
            "{public} is not a loopback address, and {why}. Set [tokens] or a [[key]], bind to \
             127.0.0.1 behind a proxy that checks who comes, or set insecure = true if you mean it"
        )
    }
}

/// Keys that anybody on the way could change are no keys.
fn is_http(url: &str) -> bool {
    let Ok(url) = url.parse::<axum::http::Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => loopback,
        _ => false,
    }
}
