//! The part of a pass that the hook needs: the requester, and what the hook has granted.

use std::sync::Arc;

use tricast_core::{AccessFuture, Action, ChannelName, Denied, Kind, UserId, unix_millis};

use crate::{
    Hook, HookEvent, PromptQuestion, PromptTerms, hook_request::Requester, hook_response::Grant,
};

/// A requester, and the answer to its `connect` request.
#[derive(Clone, Debug)]
pub(crate) struct HookState {
    /// Kept for as long as the hook may have to be asked again.
    requester: Option<Arc<Requester>>,
    /// The terms of the answer, if it has any.
    pub(crate) grant: Option<Arc<Grant>>,
}

impl HookState {
    pub(crate) fn new(requester: Requester) -> Self {
        Self { requester: Some(requester.into()), grant: None }
    }

    /// Asks the hook whether a stream may open, if the hook handles `connect`.
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
        // A cached answer is checked against its end later than this, so it cannot seem expired
        // here.
        let requested_at = unix_millis();
        let response = hook.query(&request).await?;
        let grant = response.grant()?;
        if grant.expires.is_some_and(|end| end <= requested_at) {
            let detail = "the access that the service behind this gateway granted has expired; \
                          log in again";
            return Err(Denied::new(Kind::TokenExpired, detail));
        }
        self.grant = Some(grant.clone()).filter(|grant| !grant.is_default());
        Ok(())
    }

    /// Asks the hook whether `act` is allowed on `channel`, if the hook handles such requests.
    pub(crate) fn authorize<'a>(
        &'a self,
        hook: &'a Hook,
        act: Action,
        channel: &'a ChannelName,
        bytes: Option<usize>,
        user: Option<&'a UserId>,
    ) -> Option<AccessFuture<'a, ()>> {
        // A client that may not subscribe may not read the history either.
        let event = match act {
            Action::Subscribe | Action::Read => HookEvent::Subscribe,
            Action::Publish | Action::Erase => HookEvent::Publish,
            Action::Prompt => HookEvent::Prompt,
        };
        let requester = self.requester.as_ref().filter(|_| hook.handles(event))?;
        let request = requester.channel_request(event, channel, bytes, user.map(UserId::as_str));
        Some(Box::pin(async move { hook.query(&request).await?.grant().map(|_| ()) }))
    }

    /// Asks the hook about a prompt, if it handles prompts.
    pub(crate) async fn authorize_prompt(
        &self,
        hook: &Hook,
        channel: &ChannelName,
        question: PromptQuestion<'_>,
        user: Option<&UserId>,
    ) -> Result<PromptTerms, Denied> {
        let Some(requester) = self.requester.as_ref().filter(|_| hook.handles(HookEvent::Prompt))
        else {
            return Ok(PromptTerms::default());
        };
        let request = requester.prompt_request(channel, question, user.map(UserId::as_str));
        let response = hook.query(&request).await?;
        Ok(response.grant()?.terms.clone())
    }

    /// Drops what is only needed to ask the hook again.
    pub(crate) fn drop_requester(&mut self) {
        self.requester = None;
    }

    /// Whether there is nothing left to keep.
    pub(crate) fn is_empty(&self) -> bool {
        self.requester.is_none() && self.grant.is_none()
    }
}
