//! A pass: what one connection or request may do, and how much of it.

use std::sync::Arc;

use tricast_core::{
    Access, AccessFuture, Action, ChannelName, Denied, Identity, Kind, StreamEnd, Trust, UserId,
};

use crate::{
    AccessLevel, Gatekeeper, HookEvent, MisplacedCredential,
    connection_limits::{ConnectionPermits, StreamGuard},
    deny_reason::{DenyReason, verb},
    hook_response::Grant,
    hook_state::HookState,
    rates::RateKey,
    rules::Rights,
};

/// The credential of a pass. Rights are boxed, because every connection keeps a pass, and most have
/// none.
#[derive(Debug)]
pub(crate) enum Credential {
    /// No credential, except perhaps one that is not read.
    Anonymous(Option<MisplacedCredential>),
    /// A token.
    Token(Box<Rights>),
    /// An API key.
    ApiKey(Box<Rights>),
}

/// The rights of one connection or request.
#[derive(Debug)]
pub struct Pass {
    gatekeeper: Arc<Gatekeeper>,
    identity: Arc<Identity>,
    credential: Credential,
    hook_state: Option<Box<HookState>>,
    /// Given back when the stream ends; shared with the pass that renews this one.
    connection_permits: Option<Arc<ConnectionPermits>>,
}

impl Pass {
    pub(crate) fn new(
        gatekeeper: Arc<Gatekeeper>,
        identity: impl Into<Arc<Identity>>,
        credential: Credential,
    ) -> Self {
        let identity = identity.into();
        Self { gatekeeper, identity, credential, hook_state: None, connection_permits: None }
    }

    /// Has the hook asked about this pass.
    pub(crate) fn with_hook_state(mut self, hook_state: HookState) -> Self {
        self.hook_state = Some(hook_state.into());
        self
    }

    /// Asks the hook, if there is one, whether a stream of these channels may open, and on which
    /// terms.
    ///
    /// # Errors
    /// When the hook refuses, or does not respond.
    pub async fn authorize_connect(&mut self, channels: &[ChannelName]) -> Result<(), Denied> {
        let (Some(hook), Some(hook_state)) = (&self.gatekeeper.hook, &mut self.hook_state) else {
            return Ok(());
        };
        hook_state.authorize_connect(hook, channels, self.identity.user.as_ref()).await?;
        let Some(grant) = &hook_state.grant else { return Ok(()) };
        let has_token = matches!(self.credential, Credential::Token(_));
        if has_token && grant.user.is_some() && grant.user != self.identity.user {
            let detail = "the service behind this gateway knows you as another user than your \
                          token does; send a token of the same user";
            return Err(Denied::new(Kind::Forbidden, detail));
        }
        let mut identity = Identity::clone(&self.identity);
        identity.user = grant.user.clone().or(identity.user);
        identity.info = grant.info.clone().or(identity.info);
        if identity.trust == Trust::Anonymous && identity.user.is_some() {
            identity.trust = Trust::Verified;
        }
        self.identity = identity.into();
        Ok(())
    }

    /// Drops what only publishing needs, so that the hook is not asked again.
    pub fn set_read_only(&mut self) {
        self.hook_state.take_if(|hook_state| {
            hook_state.drop_requester();
            hook_state.is_empty()
        });
    }

    /// Returns the identity that the credentials prove or claim.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Takes a permit from the connection limits of its address and its user. The permits are given
    /// back when the pass is dropped.
    ///
    /// # Errors
    /// When a limit is reached.
    pub fn acquire_permits(&mut self) -> Result<(), Denied> {
        if matches!(self.credential, Credential::ApiKey(_)) {
            return Ok(());
        }
        let (address, user) = (self.identity.address, self.verified_user());
        self.connection_permits =
            self.gatekeeper.connection_limits.acquire(address, user)?.map(Arc::new);
        Ok(())
    }

    /// Keeps `guard` until the stream of this pass ends, however often its token is renewed.
    pub fn hold(&mut self, guard: impl StreamGuard + 'static) {
        let mut permits = ConnectionPermits::default();
        // The permits are not shared before the stream begins.
        if let Some(own) = self.connection_permits.take().and_then(Arc::into_inner) {
            permits = own;
        }
        permits.set_guard(Box::new(guard));
        self.connection_permits = Some(Arc::new(permits));
    }

    /// The user, if it is verified: a client must not use up the limits of a user that it only
    /// claims to be.
    pub(crate) fn verified_user(&self) -> Option<&UserId> {
        self.identity.user.as_ref().filter(|_| self.identity.trust == Trust::Verified)
    }

    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    pub(crate) fn gatekeeper(&self) -> &Gatekeeper {
        &self.gatekeeper
    }

    pub(crate) fn hook_state(&self) -> Option<&HookState> {
        self.hook_state.as_deref()
    }

    pub(crate) fn grant(&self) -> Option<&Grant> {
        self.hook_state.as_ref()?.grant.as_deref()
    }

    /// Whether the rules allow `act`, without a text for the denial; for many channels at a time.
    pub fn allows(&self, act: Action, channel: &ChannelName) -> bool {
        self.check(act, channel).is_ok()
    }

    /// Checks that there may be a channel that it may read: to a client without the right to read
    /// any, an empty list would say that there are none.
    ///
    /// # Errors
    /// When the rules let nobody without a credential read a channel, and it has none.
    pub fn check_listing(&self) -> Result<(), Denied> {
        let has_level = |level| {
            let mut rules = self.gatekeeper.namespaces.iter();
            rules.any(|rules| rules.level_for(Action::Read) == level)
        };
        let Credential::Anonymous(misplaced) = self.credential else { return Ok(()) };
        if self.grant().is_some() || has_level(AccessLevel::Anyone) {
            return Ok(());
        }
        let (kind, detail) = if has_level(AccessLevel::Token) {
            (Kind::TokenMissing, "you need a token to list channels")
        } else if has_level(AccessLevel::Backend) {
            (Kind::TokenMissing, "you need an API key to list channels")
        } else {
            (Kind::Forbidden, "nobody may subscribe to channels, and so nobody may list them")
        };
        let hint = misplaced.filter(|_| kind == Kind::TokenMissing).map_or("", |it| it.hint());
        let denied = Denied::new(kind, format!("{detail}{hint}"));
        self.gatekeeper.audit.refused(&denied, "list channels", &self.identity);
        Err(denied)
    }

    /// Whether the hook decides about subscriptions as well.
    pub fn hook_checks_subscribe(&self) -> bool {
        let hook = self.gatekeeper.hook.as_ref().filter(|_| self.hook_state.is_some());
        hook.is_some_and(|hook| hook.handles(HookEvent::Subscribe))
    }

    /// Whether its credential is an API key.
    pub fn is_backend(&self) -> bool {
        matches!(self.credential, Credential::ApiKey(_))
    }

    fn check(&self, act: Action, channel: &ChannelName) -> Result<(), DenyReason> {
        if channel.is_of_answer() {
            return Err(DenyReason::ClosedToAll);
        }
        if let Some(of) = channel.observed_channel() {
            // Who may subscribe to a channel may subscribe to its presence channel. The gateway
            // alone publishes there.
            if matches!(act, Action::Publish | Action::Erase | Action::Prompt) {
                return Err(DenyReason::PresenceIsReadOnly);
            }
            self.check(act, &of)?;
            let is_enabled = self.gatekeeper.rules(&of).presence;
            return if is_enabled { Ok(()) } else { Err(DenyReason::PresenceOff) };
        }
        let listens = matches!(act, Action::Subscribe | Action::Read | Action::Prompt);
        if listens && channel.owner().is_some() {
            self.identity.may_read(channel).map_err(|_| DenyReason::OtherUsersChannel)?;
            // A verified user may read its own channel. A prompt costs money, and needs a right
            // even there. A backend that acts for a user needs the right to, and for an unverified
            // user the rules decide.
            if self.identity.trust == Trust::Verified && act != Action::Prompt {
                return Ok(());
            }
            if self.is_backend() && !self.is_listed(act, channel) {
                return Err(DenyReason::NotListed);
            }
        }
        // The hook's list restricts access in every namespace.
        if self.grant().is_some_and(|grant| grant.lists(act, channel) == Some(false)) {
            return Err(DenyReason::ExcludedByHook);
        }
        match self.gatekeeper.rules(channel).level_for(act) {
            AccessLevel::Anyone => Ok(()),
            AccessLevel::Nobody => Err(DenyReason::ClosedToAll),
            AccessLevel::Token if self.is_listed(act, channel) => Ok(()),
            AccessLevel::Backend if self.is_backend() && self.is_listed(act, channel) => Ok(()),
            level => Err(match &self.credential {
                Credential::Anonymous(_) if self.grant().is_some() => DenyReason::NotListedByHook,
                Credential::Anonymous(misplaced) => {
                    DenyReason::CredentialRequired(level, *misplaced)
                }
                Credential::Token(_) if level == AccessLevel::Backend => DenyReason::ApiKeyRequired,
                Credential::Token(_) | Credential::ApiKey(_) => DenyReason::NotListed,
            }),
        }
    }

    /// Whether the credential's list or the hook's names the channel. If both have a list, both
    /// must.
    fn is_listed(&self, act: Action, channel: &ChannelName) -> bool {
        let own = match &self.credential {
            Credential::Anonymous(_) => None,
            Credential::Token(rights) | Credential::ApiKey(rights) => {
                Some(rights.lists(act, channel))
            }
        };
        let hooks = self.grant().and_then(|grant| grant.lists(act, channel));
        (own.is_some() || hooks.is_some()) && own.unwrap_or(true) && hooks.unwrap_or(true)
    }
}

impl Access for Pass {
    fn check_rules(&self, act: Action, channel: &ChannelName) -> Result<(), Denied> {
        self.check(act, channel)
            .map_err(|why| why.explain(&self.identity, self.is_backend(), (act, channel)))
    }

    fn consume_rate(&self, channel: &ChannelName, bytes: usize) -> Result<(), Denied> {
        let rate_key = match &self.identity.trust {
            Trust::ApiKey(name) => RateKey::Key(name),
            Trust::Unverified | Trust::Anonymous | Trust::Verified => {
                RateKey::Client { address: self.identity.address, user: self.verified_user() }
            }
        };
        let rate = self.gatekeeper.rules(channel).publish_rate;
        self.gatekeeper.rates.spend(rate_key, channel, rate, bytes)
    }

    fn ask_external<'a>(
        &'a self,
        act: Action,
        channel: &'a ChannelName,
        bytes: Option<usize>,
    ) -> Option<AccessFuture<'a, ()>> {
        let (hook, hook_state) = (self.gatekeeper.hook.as_ref()?, self.hook_state.as_ref()?);
        let user = self.identity.user.as_ref();
        let Some(of) = channel.observed_channel() else {
            return hook_state.authorize(hook, act, channel, bytes, user);
        };
        // Presence is readable by those who may subscribe to the channel itself.
        Some(Box::pin(async move {
            match hook_state.authorize(hook, act, &of, bytes, user) {
                Some(asked) => asked.await,
                None => Ok(()),
            }
        }))
    }

    fn renew(self: Arc<Self>, token: String) -> AccessFuture<'static, Arc<dyn Access>> {
        Box::pin(async move {
            if !matches!(self.credential, Credential::Token(_)) {
                let detail =
                    "this connection was opened without a token; open another one with a token";
                return Err(Denied::new(Kind::Forbidden, detail));
            }
            let claims = self.gatekeeper.claims(&token).await?;
            if claims.user != self.identity.user {
                let detail = "the new token belongs to another user; open another connection";
                return Err(Denied::new(Kind::Forbidden, detail));
            }
            let credential = Credential::Token(Box::new(claims.into()));
            let mut renewed = Self::new(self.gatekeeper.clone(), self.identity.clone(), credential);
            // A new token does not lift the hook's restrictions.
            renewed.hook_state = self.hook_state.clone();
            renewed.connection_permits = self.connection_permits.clone();
            Ok(Arc::new(renewed) as Arc<dyn Access>)
        })
    }

    fn record_denial(&self, act: Action, channel: &ChannelName, denied: &Denied) {
        let what = format!("{} {channel}", verb(act));
        self.gatekeeper.audit.refused(denied, &what, &self.identity);
    }

    fn expires(&self) -> Option<u64> {
        let own = match &self.credential {
            Credential::Token(rights) => rights.expires,
            Credential::Anonymous(_) | Credential::ApiKey(_) => None,
        };
        let hooks = self.grant().and_then(|grant| grant.expires);
        own.into_iter().chain(hooks).min()
    }

    fn record_end(&self, end: StreamEnd) {
        self.connection_permits.iter().for_each(|permits| permits.record_end(end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pass_of_a_connection_stays_small() {
        // Rights, connection permits and the state of the hook are boxed, and most passes have
        // none.
        assert!(size_of::<Pass>() <= 48, "{}", size_of::<Pass>());
        assert!(size_of::<Identity>() <= 104, "{}", size_of::<Identity>());
    }
}
