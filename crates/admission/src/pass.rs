//! A pass: what one connection or request may do, and how much of it.

use std::sync::{Arc, OnceLock};

use tricast_core::{
    Access, Act, Asked, ChannelName, Denied, Identity, Kind, PresenceOff, Problem as _, Standing,
};

use crate::{Gatekeeper, Who, crowd::Seats, rates::Spender, rules::Rights};

/// Who has it.
#[derive(Debug)]
pub(crate) enum Holder {
    /// Somebody who has shown nothing.
    Stranger,
    /// Somebody with a token. Boxed, because each connection keeps one, and most have none.
    Bearer { rights: Box<Rights>, expires: u64 },
    /// Somebody with an API key.
    Backend { rights: Box<Rights> },
}

/// What one connection or request may do.
#[derive(Debug)]
pub struct Pass {
    gatekeeper: Arc<Gatekeeper>,
    identity: Arc<Identity>,
    holder: Holder,
    /// Its places among the connections of its address and its user, for as long as it lasts.
    seats: OnceLock<Arc<Seats>>,
}

impl Pass {
    pub(crate) fn new(
        gatekeeper: Arc<Gatekeeper>,
        identity: impl Into<Arc<Identity>>,
        holder: Holder,
    ) -> Self {
        Self { gatekeeper, identity: identity.into(), holder, seats: OnceLock::new() }
    }

    /// Who has it.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Takes its places among the connections of its address and its user. They are given up when it is dropped.
    ///
    /// # Errors
    /// When there are as many as may be.
    pub fn sit_down(&self) -> Result<(), Denied> {
        if matches!(self.holder, Holder::Backend { .. }) {
            return Ok(());
        }
        let seats =
            self.gatekeeper.crowds.sit(self.identity.address, self.identity.user.as_ref())?;
        // Nobody sits down twice.
        let _ = self.seats.set(Arc::new(seats));
        Ok(())
    }

    fn rights(&self) -> Option<&Rights> {
        match &self.holder {
            Holder::Stranger => None,
            Holder::Bearer { rights, .. } | Holder::Backend { rights } => Some(&**rights),
        }
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

    fn is_named(&self, act: Act, channel: &ChannelName) -> bool {
        self.rights().is_some_and(|rights| rights.name(act, channel))
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
        let backend = matches!(self.holder, Holder::Backend { .. });
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
            Holder::Stranger => {
                let detail = format!("to {} {channel} takes {wanted}", verb(act));
                Err(Denied::new(Kind::TokenMissing, detail))
            }
            Holder::Bearer { .. } if wanted == "an API key" => {
                let detail = format!("only a backend with an API key may {} {channel}", verb(act));
                Err(Denied::new(Kind::Forbidden, detail))
            }
            Holder::Bearer { .. } | Holder::Backend { .. } => {
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

    fn ask<'a>(&'a self, _: Act, _: &'a ChannelName) -> Option<Asked<'a, ()>> {
        None
    }

    fn renew(self: Arc<Self>, token: String) -> Asked<'static, Arc<dyn Access>> {
        Box::pin(async move {
            if !matches!(self.holder, Holder::Bearer { .. }) {
                let detail = "this connection came without a token; open another with one";
                return Err(Denied::new(Kind::Forbidden, detail));
            }
            let claims = self.gatekeeper.claims(&token).await?;
            if claims.user != self.identity.user {
                let detail = "the new token is of another user; open another connection";
                return Err(Denied::new(Kind::Forbidden, detail));
            }
            let rights = Rights { subscribe: claims.subscribe, publish: claims.publish }.into();
            let holder = Holder::Bearer { rights, expires: claims.expires };
            let renewed = Self::new(self.gatekeeper.clone(), self.identity.clone(), holder);
            if let Some(seats) = self.seats.get() {
                let _ = renewed.seats.set(seats.clone());
            }
            Ok(Arc::new(renewed) as Arc<dyn Access>)
        })
    }

    fn refused(&self, act: Act, channel: &ChannelName, denied: &Denied) {
        let what = format!("{} {channel}", verb(act));
        self.gatekeeper.audit.refused(denied, &what, Some(&self.identity));
    }

    fn expires(&self) -> Option<u64> {
        match self.holder {
            Holder::Bearer { expires, .. } => Some(expires),
            Holder::Stranger | Holder::Backend { .. } => None,
        }
    }
}

fn verb(act: Act) -> &'static str {
    match act {
        Act::Subscribe => "listen to",
        Act::Look => "look at",
        Act::Publish => "publish to",
    }
}
