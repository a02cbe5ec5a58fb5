//! The gatekeeper: makes a pass of what a request brings.

use std::sync::Arc;

use tricast_core::{ChannelName, Denied, Kind, Namespaces, Trust};

use crate::{
    ApiKey, Audit, Claims, Credentials, Hook, HookEvent, Keyring, NamespaceRules, Pass, api_key,
    connection_limits::ConnectionLimits, credentials::Presented, hook_request::Requester,
    hook_state::HookState, pass::Credential, rates::Rates, rules::Rights,
};

/// Everything that admission is decided by.
#[derive(Debug)]
pub struct Gatekeeper {
    /// The keys of tokens.
    pub keyring: Keyring,
    /// The keys of backends.
    pub api_keys: Vec<ApiKey>,
    /// Who may do what where.
    pub namespaces: Namespaces<NamespaceRules>,
    /// How much anybody may say.
    pub rates: Arc<Rates>,
    /// How many connections anybody may have.
    pub connection_limits: Arc<ConnectionLimits>,
    /// Who was refused what.
    pub audit: Arc<Audit>,
    /// Whoever else has a say.
    pub hook: Option<Arc<Hook>>,
}

impl Gatekeeper {
    /// Reads who it is. What that lets it do the pass says.
    ///
    /// # Errors
    /// When what it brings does not hold.
    pub async fn pass(self: &Arc<Self>, credentials: Credentials) -> Result<Pass, Denied> {
        let pass = match credentials.presented()? {
            Presented::Nothing => self.anonymous_pass(&credentials)?,
            // The hook is a backend's own voice: nobody asks it about itself.
            Presented::Key(text) => return self.api_key_pass(text, &credentials),
            Presented::Token(text) => {
                let claims = self.claims(text).await?;
                self.token_pass(claims, &credentials)?
            }
        };
        Ok(match self.hook {
            None => pass,
            Some(_) => pass.with_hook_state(self.hook_state(&credentials)),
        })
    }

    /// What a token says.
    ///
    /// # Errors
    /// When it does not hold.
    pub async fn claims(&self, token: &str) -> Result<Claims, Denied> {
        if self.keyring.is_empty() {
            let detail = "this gateway has no token keys and cannot check a token; leave it out, or \
                          set [tokens]";
            return Err(Denied::new(Kind::TokenUnsupported, detail));
        }
        self.keyring.check(token).await
    }

    /// The rules that hold for a channel.
    pub(crate) fn rules(&self, channel: &ChannelName) -> &NamespaceRules {
        self.namespaces.for_channel(channel)
    }

    fn hook_state(&self, credentials: &Credentials) -> HookState {
        let Credentials { wire, address, headers, .. } = credentials;
        HookState::new(Requester::new(*wire, *address, headers))
    }

    /// Whether somebody else than whoever comes says who it is.
    fn verifies_users(&self) -> bool {
        let hook = self.hook.as_ref();
        let keys = !self.keyring.is_empty() || !self.api_keys.is_empty();
        keys || hook.is_some_and(|hook| hook.handles(HookEvent::Connect))
    }

    fn anonymous_pass(self: &Arc<Self>, credentials: &Credentials) -> Result<Pass, Denied> {
        let verifies = self.verifies_users();
        if verifies && credentials.user.is_some() {
            return Err(user_parameter_denied());
        }
        let mut identity = credentials.claimed_identity();
        if verifies {
            identity.trust = Trust::Anonymous;
        }
        Ok(Pass::new(self.clone(), identity, Credential::Anonymous))
    }

    fn api_key_pass(
        self: &Arc<Self>,
        presented: &str,
        credentials: &Credentials,
    ) -> Result<Pass, Denied> {
        let key = api_key::find(&self.api_keys, presented).ok_or_else(|| {
            Denied::new(Kind::BadKey, "no [[key]] has the hash of this API key; it may be gone")
        })?;
        let mut identity = credentials.claimed_identity();
        identity.trust = Trust::ApiKey(key.name.clone());
        let (subscribe, publish) = (key.subscribe.clone(), key.publish.clone());
        let rights = Rights { subscribe, publish, expires: None };
        Ok(Pass::new(self.clone(), identity, Credential::ApiKey(rights.into())))
    }

    fn token_pass(
        self: &Arc<Self>,
        claims: Claims,
        credentials: &Credentials,
    ) -> Result<Pass, Denied> {
        if credentials.user.is_some() {
            return Err(user_parameter_denied());
        }
        let mut identity = credentials.claimed_identity();
        identity.trust = Trust::Verified;
        (identity.user, identity.info) = (claims.user.clone(), claims.info.clone());
        let rights = Rights::from(claims);
        Ok(Pass::new(self.clone(), identity, Credential::Token(rights.into())))
    }
}

fn user_parameter_denied() -> Denied {
    let detail = "user: this gateway knows users by their token (its sub), or by the hook; leave user= out, or set [tokens]";
    Denied::new(Kind::BadParameter, detail)
}
