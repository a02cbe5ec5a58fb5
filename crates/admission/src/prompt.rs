//! Prompts: who may ask a model, and how often.

use tricast_core::{Access as _, Action, ChannelName, Denied, authorize};

use crate::{Pass, PromptQuestion, PromptTerms, pass::Credential};

impl Pass {
    /// Whether namespace, credential and hook all let the client ask this model in `channel`.
    pub fn allows_model(&self, channel: &ChannelName, model: &str) -> bool {
        let own = match self.credential() {
            Credential::Anonymous(_) => None,
            Credential::Token(rights) | Credential::ApiKey(rights) => rights.models.as_ref(),
        };
        let hooks = self.grant().and_then(|grant| grant.models.as_ref());
        let namespaces = self.gatekeeper().rules(channel).models.as_ref();
        [own, hooks, namespaces].into_iter().flatten().all(|names| names.contains(model))
    }

    /// Checks that the client may prompt in `channel`, by the rules that are known here. Who
    /// prompts also has to be allowed to listen.
    ///
    /// # Errors
    /// When the rules deny it.
    pub fn check_prompt(&self, channel: &ChannelName) -> Result<(), Denied> {
        [Action::Prompt, Action::Subscribe].into_iter().try_for_each(|act| {
            self.check_rules(act, channel)
                .inspect_err(|denied| self.record_denial(act, channel, denied))
        })
    }

    /// Takes one prompt from the rate limits of its address and its user.
    ///
    /// # Errors
    /// When a limit is reached.
    pub fn consume_prompt_rate(&self, channel: &ChannelName) -> Result<(), Denied> {
        if self.is_backend() {
            return Ok(());
        }
        let spent =
            self.gatekeeper().rates.spend_prompt(self.identity().address, self.verified_user());
        spent.inspect_err(|denied| self.record_denial(Action::Prompt, channel, denied))
    }

    /// Asks the hook about a prompt that the rules allow, and returns what it changes.
    ///
    /// # Errors
    /// When the hook refuses, or does not respond.
    pub async fn authorize_prompt(
        &self,
        channel: &ChannelName,
        question: PromptQuestion<'_>,
    ) -> Result<PromptTerms, Denied> {
        let asking = async {
            authorize(self, Action::Subscribe, channel).await?;
            let (Some(hook), Some(state)) = (self.gatekeeper().hook.as_ref(), self.hook_state())
            else {
                return Ok(PromptTerms::default());
            };
            state.authorize_prompt(hook, channel, question, self.identity().user.as_ref()).await
        };
        asking.await.inspect_err(|denied| self.record_denial(Action::Prompt, channel, denied))
    }
}
