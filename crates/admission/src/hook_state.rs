//! What a pass keeps because of the hook; nothing where there is none.

use std::sync::Arc;

use tricast_core::{AccessFuture, Action, ChannelName, Denied, Kind, UserId, unix_millis};

use crate::{Hook, HookEvent, hook_request::Requester, hook_response::Grant};

/// Who asks to be let in, and how that was answered.
#[derive(Clone, Debug)]
pub(crate) struct HookState {
    /// Kept for as long as there may be more to ask.
    requester: Option<Arc<Requester>>,
    /// What the answer says beside yes.
    pub(crate) grant: Option<Arc<Grant>>,
}

impl HookState {
    pub(crate) fn new(requester: Requester) -> Self {
        Self { requester: Some(requester.into()), grant: None }
    }

    /// Asks whether a stream may open, if that is to be asked.
    pub(crate) async fn authorize_connect(
        &mut self,
        hook: &Hook,
        channels: &[ChannelName],
        user: Option<&UserId>,
    ) -> Result<(), Denied> {
        let Some(requester) = self.requester.as_ref().filter(|_| hook.handles(HookEvent::Connect))
        else {
            return Ok(());
        };
        let request = requester.connect_request(channels, user.map(UserId::as_str));
        // An answer that was kept is good later than this: it cannot be over here and not have been there.
        let requested_at = unix_millis();
        let response = hook.query(&request).await?;
        let grant = response.grant()?;
        if grant.expires.is_some_and(|end| end <= requested_at) {
            let detail = "the service behind this gateway lets you in until a time that is over; log in again";
            return Err(Denied::new(Kind::TokenExpired, detail));
        }
        self.grant = Some(grant.clone()).filter(|terms| !terms.is_default());
        Ok(())
    }

    /// Asks whether it may do that, if that is to be asked.
    pub(crate) fn authorize<'a>(
        &'a self,
        hook: &'a Hook,
        act: Action,
        channel: &'a ChannelName,
        bytes: Option<usize>,
        user: Option<&'a UserId>,
    ) -> Option<AccessFuture<'a, ()>> {
        // Whoever may not listen may not read the history either.
        let event = match act {
            Action::Subscribe | Action::Read => HookEvent::Subscribe,
            Action::Publish => HookEvent::Publish,
        };
        let requester = self.requester.as_ref().filter(|_| hook.handles(event))?;
        let request = requester.channel_request(event, channel, bytes, user.map(UserId::as_str));
        Some(Box::pin(async move { hook.query(&request).await?.grant().map(|_| ()) }))
    }

    /// Nothing more will be asked; whether there is something left to keep.
    pub(crate) fn drop_requester(&mut self) -> bool {
        self.requester = None;
        self.grant.is_some()
    }
}
