//! A pass: what one connection or request may do, and how much of it.

use std::sync::Arc;

use tricast_core::{
    Access, Act, Asked, ChannelName, Denied, Identity, Kind, PresenceOff, Problem as _, Standing,
};

use crate::{
    Gatekeeper, Who, crowd::Seats, hooked::Hooked, rates::Spender, rules::Rights, verdict::Terms,
};

/// Who has it. Rights are boxed, because each connection keeps one, and most have none.
#[derive(Debug)]
pub(crate) enum Holder {
    /// Somebody who has shown nothing.
    Stranger,
    /// Somebody with a token.
    Bearer(Box<Rights>),
    /// Somebody with an API key.
    Backend(Box<Rights>),
}

/// What one connection or request may do.
#[derive(Debug)]
pub struct Pass {
    gatekeeper: Arc<Gatekeeper>,
    identity: Arc<Identity>,
    holder: Holder,
    hooked: Option<Box<Hooked>>,
    /// Its places among the connections of its address and its user, where those are counted.
    seats: Option<Arc<Seats>>,
}

impl Pass {
    pub(crate) fn new(
        gatekeeper: Arc<Gatekeeper>,
        identity: impl Into<Arc<Identity>>,
        holder: Holder,
    ) -> Self {
        let identity = identity.into();
        Self { gatekeeper, identity, holder, hooked: None, seats: None }
    }

    /// The same for somebody whom the hook is asked about.
    pub(crate) fn hooked(mut self, hooked: Hooked) -> Self {
        self.hooked = Some(hooked.into());
        self
    }

    /// Asks the hook, if there is one, whether a stream of these channels may open, and on which terms.
    ///
    /// # Errors
    /// When it may not, or the hook gives no answer.
    pub async fn connect(&mut self, channels: &[ChannelName]) -> Result<(), Denied> {
        let (Some(hook), Some(hooked)) = (&self.gatekeeper.hook, &mut self.hooked) else {
            return Ok(());
        };
        hooked.connect(hook, channels, self.identity.user.as_ref()).await?;
        let Some(terms) = &hooked.terms else { return Ok(()) };
        let bears = matches!(self.holder, Holder::Bearer(_));
        if bears && terms.user.is_some() && terms.user != self.identity.user {
            tracing::warn!(
                "the hook says that a token's bearer is another user than the token says"
            );
            let detail = "the service behind this gateway knows you as another user than your token does; \
                          come with a token of the same user";
            return Err(Denied::new(Kind::Forbidden, detail));
        }
        let mut identity = Identity::clone(&self.identity);
        identity.user = terms.user.clone().or(identity.user);
        identity.info = terms.info.clone().or(identity.info);
        self.identity = identity.into();
        Ok(())
    }

    /// It will say nothing, so the hook will be asked nothing more.
    pub fn only_listens(&mut self) {
        self.hooked.take_if(|hooked| !hooked.forget_caller());
    }

    /// Who has it.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Takes its places among the connections of its address and its user. They are given up when it is dropped.
    ///
    /// # Errors
    /// When there are as many as may be.
    pub fn sit_down(&mut self) -> Result<(), Denied> {
        if matches!(self.holder, Holder::Backend(_)) {
            return Ok(());
        }
        let (address, user) = (self.identity.address, self.identity.user.as_ref());
        self.seats = self.gatekeeper.crowds.sit(address, user)?.map(Arc::new);
        Ok(())
    }

    fn terms(&self) -> Option<&Terms> {
        self.hooked.as_ref()?.terms.as_deref()
    }

    /// A presence channel is open to whoever may listen to the channel that it is about; nobody speaks there.
    fn permits_presence(&self, act: Act, of: ChannelName) -> Result<(), Denied> {
        if act == Act::Publish {
            let detail = format!("only the gateway tells who is in {of}; publish to {of} itself");
            return Err(Denied::new(Kind::Forbidden, detail));
        }
        self.permits(act, &of)?;
        if self.gatekeeper.rules(&of).presence {
            return Ok(());
        }
        let off = PresenceOff(of);
        Err(Denied::new(off.kind(), off.to_string()))
    }

    /// Whether its token or key names the channel, or the hook does. Where both have a list both must.
    fn is_named(&self, act: Act, channel: &ChannelName) -> bool {
        let own = match &self.holder {
            Holder::Stranger => None,
            Holder::Bearer(rights) | Holder::Backend(rights) => Some(rights.name(act, channel)),
        };
        let hooks = self.terms().and_then(|terms| terms.name(act, channel));
        (own.is_some() || hooks.is_some()) && own.unwrap_or(true) && hooks.unwrap_or(true)
    }
}

impl Access for Pass {
    fn permits(&self, act: Act, channel: &ChannelName) -> Result<(), Denied> {
        if let Some(of) = channel.presence_of() {
            return self.permits_presence(act, of);
        }
        if act != Act::Publish {
            let own = self.identity.may_read(channel);
            own.map_err(|error| Denied::new(error.kind(), error.to_string()))?;
            if channel.user().is_some() {
                // A user's own channel is the user's.
                return Ok(());
            }
        }
        // What the hook has narrowed is narrow wherever it is.
        if self.terms().is_some_and(|terms| terms.name(act, channel) == Some(false)) {
            let detail =
                format!("the service behind this gateway does not let you {} {channel}", verb(act));
            return Err(Denied::new(Kind::Forbidden, detail));
        }
        let backend = matches!(self.holder, Holder::Backend(_));
        let rules = self.gatekeeper.rules(channel);
        let wanted = match rules.who(act) {
            Who::Anyone => return Ok(()),
            Who::Token if self.is_named(act, channel) => return Ok(()),
            Who::Backend if backend && self.is_named(act, channel) => return Ok(()),
            Who::Token => "a token",
            Who::Backend => "an API key",
            Who::Nobody => {
                let detail = format!("nobody may {} {channel}", verb(act));
                return Err(Denied::new(Kind::Forbidden, detail));
            }
        };
        match &self.holder {
            Holder::Stranger if self.terms().is_some() => {
                let detail =
                    format!("the service behind this gateway does not name {channel} for you");
                Err(Denied::new(Kind::Forbidden, detail))
            }
            Holder::Stranger => {
                let detail = format!("to {} {channel} takes {wanted}", verb(act));
                Err(Denied::new(Kind::TokenMissing, detail))
            }
            Holder::Bearer(_) if wanted == "an API key" => {
                let detail = format!("only a backend with an API key may {} {channel}", verb(act));
                Err(Denied::new(Kind::Forbidden, detail))
            }
            Holder::Bearer(_) | Holder::Backend(_) => {
                let claim = if act == Act::Publish { "publish" } else { "subscribe" };
                let what = if backend { "key" } else { "token" };
                let detail = format!("the {what}'s {claim} list does not name {channel}");
                Err(Denied::new(Kind::Forbidden, detail))
            }
        }
    }

    fn spend(&self, channel: &ChannelName, bytes: usize) -> Result<(), Denied> {
        let spender = match &self.identity.standing {
            Standing::Backend(name) => Spender::Key(name),
            Standing::Claimed | Standing::Proven => Spender::Client {
                address: self.identity.address,
                user: self.identity.user.as_ref(),
            },
        };
        let rate = self.gatekeeper.rules(channel).publish_rate;
        self.gatekeeper.rates.spend(spender, channel, rate, bytes)
    }

    fn ask<'a>(
        &'a self,
        act: Act,
        channel: &'a ChannelName,
        bytes: Option<usize>,
    ) -> Option<Asked<'a, ()>> {
        let (hook, hooked) = (self.gatekeeper.hook.as_ref()?, self.hooked.as_ref()?);
        let user = self.identity.user.as_ref();
        let Some(of) = channel.presence_of() else {
            return hooked.ask(hook, act, channel, bytes, user);
        };
        // Who is in a channel may see whoever may listen to it.
        Some(Box::pin(async move {
            match hooked.ask(hook, act, &of, bytes, user) {
                Some(asked) => asked.await,
                None => Ok(()),
            }
        }))
    }

    fn renew(self: Arc<Self>, token: String) -> Asked<'static, Arc<dyn Access>> {
        Box::pin(async move {
            if !matches!(self.holder, Holder::Bearer(_)) {
                let detail = "this connection came without a token; open another with one";
                return Err(Denied::new(Kind::Forbidden, detail));
            }
            let claims = self.gatekeeper.claims(&token).await?;
            if claims.user != self.identity.user {
                let detail = "the new token is of another user; open another connection";
                return Err(Denied::new(Kind::Forbidden, detail));
            }
            let holder = Holder::Bearer(Box::new(claims.into()));
            let mut renewed = Self::new(self.gatekeeper.clone(), self.identity.clone(), holder);
            // A new token does not lift what the hook has said.
            renewed.hooked = self.hooked.clone();
            renewed.seats = self.seats.clone();
            Ok(Arc::new(renewed) as Arc<dyn Access>)
        })
    }

    fn refused(&self, act: Act, channel: &ChannelName, denied: &Denied) {
        let what = format!("{} {channel}", verb(act));
        self.gatekeeper.audit.refused(denied, &what, Some(&self.identity));
    }

    fn expires(&self) -> Option<u64> {
        let own = match &self.holder {
            Holder::Bearer(rights) => rights.expires,
            Holder::Stranger | Holder::Backend(_) => None,
        };
        let hooks = self.terms().and_then(|terms| terms.expires);
        own.into_iter().chain(hooks).min()
    }
}

fn verb(act: Act) -> &'static str {
    match act {
        Act::Subscribe => "listen to",
        Act::Look => "look at",
        Act::Publish => "publish to",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_connection_keeps_is_counted() {
        // Beside this: rights, seats and what the hook has said, where there are such.
        assert!(size_of::<Pass>() <= 48, "{}", size_of::<Pass>());
        assert!(size_of::<Identity>() <= 96, "{}", size_of::<Identity>());
    }
}
