//! Checks across sections: settings that together would admit the wrong clients, or none at all.

use tricast_admission::{AccessLevel, HookEvent, NamespaceRules};
use tricast_core::Namespaces;

use crate::settings::{Address, Settings};

impl Settings {
    /// Checks that the settings are safe together.
    pub(super) fn check_safety(&self) -> anyhow::Result<()> {
        self.check_cookies()?;
        let rules = self.namespace_rules();
        self.check_credentials(&rules)?;
        self.check_prompts(&rules)?;
        self.check_public(&rules)
    }

    /// Checks that a foreign page cannot use the cookies of the users who visit it.
    fn check_cookies(&self) -> anyhow::Result<()> {
        if !self.cors.allows_any_origin() {
            return Ok(());
        }
        anyhow::ensure!(
            !self.hook.forwards_header("cookie"),
            "cors.origins = [\"*\"] with \"cookie\" in hook.headers: any page could use the \
             cookies of its visitors; list the origins, or remove \"cookie\""
        );
        anyhow::ensure!(
            self.tokens.cookie.is_empty(),
            "cors.origins = [\"*\"] with tokens.cookie: any page could use the cookies of its \
             visitors; list the origins"
        );
        Ok(())
    }

    /// Checks that a client can have the credentials that the rules require.
    fn check_credentials(&self, rules: &Namespaces<NamespaceRules>) -> anyhow::Result<()> {
        let rule_for = |level: AccessLevel| {
            rules.iter().find(|rule| [rule.subscribe, rule.publish, rule.prompt].contains(&level))
        };
        let missing_credential = |credential: &str, rule: &NamespaceRules| {
            format!(
                "{} requires {credential}, and none is set, so that nobody could use it",
                rule.name
            )
        };
        if let Some(rule) = rule_for(AccessLevel::Backend).filter(|_| self.key.is_empty()) {
            let missing = missing_credential("an API key", rule);
            anyhow::bail!("{missing}; create one with `tricast key --name NAME`");
        }
        // The hook can verify a user as a token does.
        if let Some(rule) = rule_for(AccessLevel::Token).filter(|_| !self.verifies_users()) {
            let missing = missing_credential("a token", rule);
            anyhow::bail!("{missing}; set [tokens], or a [hook] on \"connect\"");
        }
        Ok(())
    }

    /// Checks that nobody without a credential can run up the bill of a key without bounds.
    fn check_prompts(&self, rules: &Namespaces<NamespaceRules>) -> anyhow::Result<()> {
        let is_bounded = self.relay.prompts_per_address > 0 && self.relay.max_tokens > 0;
        let open = |rule: &&NamespaceRules| rule.prompt == AccessLevel::Anyone;
        for rule in rules.iter().filter(open) {
            let keyed = self
                .llm
                .iter()
                .find(|upstream| upstream.has_key() && upstream.serves(rule.models.as_ref()));
            let Some(keyed) = keyed.filter(|_| !is_bounded) else { continue };
            anyhow::bail!(
                "{} lets anyone prompt, and the key of [[llm]] \"{}\" pays for it; set \
                 relay.prompts_per_address and relay.max_tokens, or prompt = \"token\"",
                rule.name,
                keyed.name
            );
        }
        Ok(())
    }

    /// Checks that a public address does not admit everybody.
    fn check_public(&self, rules: &Namespaces<NamespaceRules>) -> anyhow::Result<()> {
        if self.insecure || self.is_local() {
            return Ok(());
        }
        let hook_decides = self.hook.is_called_on(HookEvent::Publish);
        let open = rules.iter().find(|rule| rule.publish == AccessLevel::Anyone && !hook_decides);
        let keys = self.tokens.has_keys() || !self.key.is_empty() || !self.hook.url.is_empty();
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
             127.0.0.1 behind a proxy that checks its clients, or set insecure = true if you want \
             this"
        )
    }
}
