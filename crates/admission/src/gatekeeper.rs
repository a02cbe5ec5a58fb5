//! The gatekeeper: turns the credentials of a request into a pass.

use std::sync::Arc;

use tricast_core::{ChannelName, Denied, Kind, Namespaces, Trust};

use crate::{
    ApiKey, Audit, Claims, Credentials, Hook, HookEvent, Keyring, NamespaceRules, Pass, api_key,
    connection_limits::ConnectionLimits, credentials::Presented, hook_request::Requester,
    hook_state::HookState, pass::Credential, rates::Rates, rules::Rights,
};

/// The keys, rules and limits that admission is decided by.
#[derive(Debug)]
pub struct Gatekeeper {
    /// The keys that verify tokens.
    pub keyring: Keyring,
    /// The API keys of backends.
    pub api_keys: Vec<ApiKey>,
    /// The access rules.
    pub namespaces: Namespaces<NamespaceRules>,
    /// Rate limits of publishing.
    pub rates: Arc<Rates>,
    /// Connection limits of addresses and users.
    pub connection_limits: Arc<ConnectionLimits>,
    /// The log of denied requests.
    pub audit: Arc<Audit>,
    /// The operator's own service, if it decides as well.
    pub hook: Option<Arc<Hook>>,
}

impl Gatekeeper {
    /// Authenticates a request.
    ///
    /// # Errors
    /// When its credentials are invalid.
    pub async fn pass(self: &Arc<Self>, credentials: Credentials) -> Result<Pass, Denied> {
        let pass = match credentials.presented()? {
            Presented::Nothing => self.anonymous_pass(&credentials)?,
            Presented::Empty(place) => return Err(self.empty_token_denied(place)),
            // The hook speaks for the backend, so it is not asked about the backend itself.
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

    /// Verifies a token and returns its claims.
    ///
    /// # Errors
    /// When the token is invalid.
    pub async fn claims(&self, token: &str) -> Result<Claims, Denied> {
        if self.keyring.is_empty() {
            let keys = if self.api_keys.is_empty() {
                ""
            } else {
                " (an API key begins with tricast_key_)"
            };
            let detail = format!(
                "this gateway has no token keys and cannot verify a token{keys}; remove the token \
                 (some SDKs always send Authorization: Bearer), or set [tokens]"
            );
            return Err(Denied::new(Kind::TokenUnsupported, detail));
        }
        self.keyring.check(token).await
    }

    fn empty_token_denied(&self, place: &str) -> Denied {
        let kind = match self.keyring.is_empty() {
            true => Kind::TokenUnsupported,
            false => Kind::BadToken,
        };
        Denied::new(kind, format!("the token is empty; leave {place} out while there is none"))
    }

    /// Returns the rules of a channel's namespace.
    pub(crate) fn rules(&self, channel: &ChannelName) -> &NamespaceRules {
        self.namespaces.for_channel(channel)
    }

    fn hook_state(&self, credentials: &Credentials) -> HookState {
        let Credentials { wire, address, headers, .. } = credentials;
        HookState::new(Requester::new(*wire, *address, headers))
    }

    /// Whether users are verified, rather than claimed by the client.
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
        Ok(Pass::new(self.clone(), identity, Credential::Anonymous(credentials.misplaced)))
    }

    fn api_key_pass(
        self: &Arc<Self>,
        presented: &str,
        credentials: &Credentials,
    ) -> Result<Pass, Denied> {
        let key = api_key::find(&self.api_keys, presented).ok_or_else(|| {
            Denied::new(
                Kind::BadKey,
                "no [[key]] has the hash of this API key; it may have been removed",
            )
        })?;
        let mut identity = credentials.claimed_identity();
        identity.trust = Trust::ApiKey(key.name.clone());
        let rights = Rights {
            subscribe: key.subscribe.clone(),
            publish: key.publish.clone(),
            prompt: key.prompt.clone(),
            models: key.models.clone(),
            expires: None,
        };
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
    let detail = "user: this gateway takes the user from the token (its sub) or from the hook; \
                  leave user= out";
    Denied::new(Kind::BadParameter, detail)
}
