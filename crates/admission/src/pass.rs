//! A pass: what one connection or request may do, and how much of it.

use std::{any::Any, sync::Arc};

use tricast_core::{
    Access, Act, Asked, ChannelName, Denied, Identity, Kind, PresenceOff, Standing, UserId,
};

use crate::{
    Gatekeeper, NamespaceRules, Occasion, Who, crowd::Seats, hooked::Hooked, rates::Spender,
    rules::Rights, verdict::Terms,
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

/// Why it may not. Made into words only when somebody is told.
#[derive(Clone, Copy, Debug)]
enum Why {
    NotYours,
    Presence,
    PresenceOff,
    Hook,
    HookNamesNot,
    Nobody,
    Takes(Who),
    BackendsOnly,
    NotNamed,
}

/// What one connection or request may do.
#[derive(Debug)]
pub struct Pass {
    gatekeeper: Arc<Gatekeeper>,
    identity: Arc<Identity>,
    holder: Holder,
    hooked: Option<Box<Hooked>>,
    /// What is given back when the stream ends, where there is such; shared with the pass that renews this.
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
        let (address, user) = (self.identity.address, self.proven_user());
        self.seats = self.gatekeeper.crowds.sit(address, user)?.map(Arc::new);
        Ok(())
    }

    /// Drops `thing` when the stream has ended that this is the pass of, whatever tokens it has by then.
    pub fn keep(&mut self, thing: impl Any + Send + Sync) {
        let mut seats = Seats::default();
        // It is not shared before the stream begins.
        if let Some(own) = self.seats.take().and_then(Arc::into_inner) {
            seats = own;
        }
        seats.keep(Box::new(thing));
        self.seats = Some(Arc::new(seats));
    }

    /// The user, if somebody vouches for it: nobody uses up what is another's by saying its name.
    fn proven_user(&self) -> Option<&UserId> {
        self.identity.user.as_ref().filter(|_| self.identity.standing == Standing::Proven)
    }

    fn terms(&self) -> Option<&Terms> {
        self.hooked.as_ref()?.terms.as_deref()
    }

    /// Whether the rules let it: as [`Access::permits`], for many channels at a time.
    pub fn allows(&self, act: Act, channel: &ChannelName) -> bool {
        self.judge(act, channel).is_ok()
    }

    /// Whether there is no channel that it could look at: nobody need look for one.
    pub fn sees_nothing(&self) -> bool {
        let open = |rules: &NamespaceRules| rules.who(Act::Look) == Who::Anyone;
        matches!(self.holder, Holder::Stranger)
            && self.terms().is_none()
            && !self.gatekeeper.namespaces.iter().any(open)
    }

    /// Whether somebody else than the rules has a say in who listens.
    pub fn is_asked_about(&self) -> bool {
        let hook = self.gatekeeper.hook.as_ref().filter(|_| self.hooked.is_some());
        hook.is_some_and(|hook| hook.is_asked_on(Occasion::Subscribe))
    }

    /// Whether it comes with an API key.
    pub fn is_backend(&self) -> bool {
        matches!(self.holder, Holder::Backend(_))
    }

    fn judge(&self, act: Act, channel: &ChannelName) -> Result<(), Why> {
        if let Some(of) = channel.presence_of() {
            // A presence channel is open to whoever may listen to the channel that it is about; nobody speaks there.
            if act == Act::Publish {
                return Err(Why::Presence);
            }
            self.judge(act, &of)?;
            let told = self.gatekeeper.rules(&of).presence;
            return if told { Ok(()) } else { Err(Why::PresenceOff) };
        }
        if act != Act::Publish && channel.user().is_some() {
            self.identity.may_read(channel).map_err(|_| Why::NotYours)?;
            // A user's own channel is the user's, where that is proven. A backend that speaks for users needs the
            // right to, and of whoever only says who it is the rules decide.
            if self.identity.standing == Standing::Proven {
                return Ok(());
            }
            if self.is_backend() && !self.is_named(act, channel) {
                return Err(Why::NotNamed);
            }
        }
        // What the hook has narrowed is narrow wherever it is.
        if self.terms().is_some_and(|terms| terms.name(act, channel) == Some(false)) {
            return Err(Why::Hook);
        }
        match self.gatekeeper.rules(channel).who(act) {
            Who::Anyone => Ok(()),
            Who::Nobody => Err(Why::Nobody),
            Who::Token if self.is_named(act, channel) => Ok(()),
            Who::Backend if self.is_backend() && self.is_named(act, channel) => Ok(()),
            who => Err(match &self.holder {
                Holder::Stranger if self.terms().is_some() => Why::HookNamesNot,
                Holder::Stranger => Why::Takes(who),
                Holder::Bearer(_) if who == Who::Backend => Why::BackendsOnly,
                Holder::Bearer(_) | Holder::Backend(_) => Why::NotNamed,
            }),
        }
    }

    fn tell(&self, why: Why, act: Act, channel: &ChannelName) -> Denied {
        let does = verb(act);
        let (kind, detail) = match why {
            Why::NotYours => {
                let own = self.identity.may_read(channel).map_err(|error| error.to_string());
                (Kind::Forbidden, own.err().unwrap_or_default())
            }
            Why::Presence => {
                (Kind::Forbidden, format!("only the gateway says anything in {channel}"))
            }
            Why::PresenceOff => {
                let of = channel.presence_of().unwrap_or_else(|| channel.clone());
                (Kind::PresenceOff, PresenceOff(of).to_string())
            }
            Why::Hook => {
                let text = "the service behind this gateway does not let you";
                (Kind::Forbidden, format!("{text} {does} {channel}"))
            }
            Why::HookNamesNot => {
                let text = "the service behind this gateway does not name";
                (Kind::Forbidden, format!("{text} {channel} for you"))
            }
            Why::Nobody => (Kind::Forbidden, format!("nobody may {does} {channel}")),
            Why::Takes(who) => {
                let what = if who == Who::Backend { "an API key" } else { "a token" };
                (Kind::TokenMissing, format!("to {does} {channel} takes {what}"))
            }
            Why::BackendsOnly => {
                (Kind::Forbidden, format!("only a backend with an API key may {does} {channel}"))
            }
            Why::NotNamed => {
                let list = if act == Act::Publish { "publish" } else { "subscribe" };
                let what = if self.is_backend() { "key" } else { "token" };
                (Kind::Forbidden, format!("the {what}'s {list} list does not name {channel}"))
            }
        };
        Denied::new(kind, detail)
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
        self.judge(act, channel).map_err(|why| self.tell(why, act, channel))
    }

    fn spend(&self, channel: &ChannelName, bytes: usize) -> Result<(), Denied> {
        let spender = match &self.identity.standing {
            Standing::Backend(name) => Spender::Key(name),
            Standing::Claimed | Standing::Proven => {
                Spender::Client { address: self.identity.address, user: self.proven_user() }
            }
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
        self.gatekeeper.audit.refused(denied, &what, &self.identity);
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
        assert!(size_of::<Identity>() <= 104, "{}", size_of::<Identity>());
    }
}
