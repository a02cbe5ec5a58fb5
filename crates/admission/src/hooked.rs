//! What a pass keeps because of the hook; nothing where there is none.

use std::sync::Arc;

use tricast_core::{Act, Asked, ChannelName, Denied, Kind, UserId, unix_millis};

use crate::{Hook, Occasion, question::Caller, verdict::Terms};

/// Who asks to be let in, and how that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Hooked {
    /// Kept for as long as there may be more to ask.
    caller: Option<Arc<Caller>>,
    /// What the answer says beside yes.
    pub(crate) terms: Option<Arc<Terms>>,
}

impl Hooked {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller: Some(caller.into()), terms: None }
    }

    /// Asks whether a stream may open, if that is to be asked.
    pub(crate) async fn connect(
        &mut self,
        hook: &Hook,
        channels: &[ChannelName],
        user: Option<&UserId>,
    ) -> Result<(), Denied> {
        let Some(caller) = self.caller.as_ref().filter(|_| hook.is_asked_on(Occasion::Connect))
        else {
            return Ok(());
        };
        let question = caller.connects(channels, user.map(UserId::as_str));
        // An answer that was kept is good later than this: it cannot be over here and not have been there.
        let came = unix_millis();
        let verdict = hook.ask(&question).await?;
        let terms = verdict.terms()?;
        if terms.expires.is_some_and(|end| end <= came) {
            let detail = "the service behind this gateway lets you in until a time that is over; log in again";
            return Err(Denied::new(Kind::TokenExpired, detail));
        }
        self.terms = Some(terms.clone()).filter(|terms| !terms.is_plain());
        Ok(())
    }

    /// Asks whether it may do that, if that is to be asked.
    pub(crate) fn ask<'a>(
        &'a self,
        hook: &'a Hook,
        act: Act,
        channel: &'a ChannelName,
        bytes: Option<usize>,
        user: Option<&'a UserId>,
    ) -> Option<Asked<'a, ()>> {
        // Whoever may not listen may not read the history either.
        let occasion = match act {
            Act::Subscribe | Act::Look => Occasion::Subscribe,
            Act::Publish => Occasion::Publish,
        };
        let caller = self.caller.as_ref().filter(|_| hook.is_asked_on(occasion))?;
        let question = caller.wants(occasion, channel, bytes, user.map(UserId::as_str));
        Some(Box::pin(async move { hook.ask(&question).await?.terms().map(|_| ()) }))
    }

    /// Nothing more will be asked; whether there is something left to keep.
    pub(crate) fn forget_caller(&mut self) -> bool {
        self.caller = None;
        self.terms.is_some()
    }
}
