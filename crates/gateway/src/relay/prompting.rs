//! A prompt on its way to a run: who may ask which model, at which rate, and what the hook adds.

use std::sync::Arc;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tricast_admission::{Pass, PromptQuestion, PromptTerms};
use tricast_core::{ChannelName, Kind, Trust, UserId};
use tricast_llm::{
    Busy, ChatRequest, Face, Leave, Prompt, PromptError, PromptKey, PromptMark, Started, Starter,
};

use crate::{
    http::{kinds, problem::Problem},
    relay::Relay,
    settings,
};

/// The channel whose rules hold for answers that have none.
const STAND_IN: &str = "llm";

/// A prompt that is well formed.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) channel: ChannelName,
    pub(crate) request: ChatRequest,
    /// The idempotency key of the client.
    pub(crate) idempotency: Option<Arc<str>>,
    /// The hash of the body that has come.
    pub(crate) body_hash: [u8; 32],
    /// A request that a client library may repeat without a key.
    pub(crate) is_repeat: Option<bool>,
    /// What happens if an answer is under way in the channel, if that is not for the settings.
    pub(crate) busy: Option<Busy>,
    /// Whether the answer ends with its request, if the request says so.
    pub(crate) leave: Option<Leave>,
    pub(crate) face: Face,
}

impl Relay {
    /// Starts an answer, if the client may have it. Returns once its `start` is in the log.
    ///
    /// # Errors
    /// When the client may not prompt, there is no such model, or a limit is reached.
    pub(crate) async fn start(&self, pass: &Pass, asked: Asked) -> Result<Started, Problem> {
        let Asked { channel, mut request, idempotency, body_hash, is_repeat, .. } = asked;
        let Asked { busy, leave, face, .. } = asked;
        let judged = judged_as(&channel);
        pass.check_prompt(&judged)?;
        let model = self.model_for(pass, &judged, &request)?;
        let mark = is_repeat.and_then(|is_repeat| {
            let scope = format!("{channel} {}", verified_scope(pass)?).into();
            Some(PromptMark { scope, body_hash, is_repeat })
        });
        let idempotency = idempotency
            .map(|key| prompt_key(pass, (face, &channel), key, body_hash))
            .transpose()?;
        pass.consume_prompt_rate(&judged)?;
        let question = PromptQuestion { model: &model, bytes: request.length() };
        let terms = pass.authorize_prompt(&judged, question).await?;
        self.apply(&mut request, model, terms)?;
        let rules = self.rules.for_channel(&channel);
        let prompt = Prompt {
            request,
            starter: Starter {
                identity: (**pass.identity()).clone(),
                is_backend: pass.is_backend(),
            },
            busy: busy.unwrap_or_else(|| rules.busy.into()),
            leave: leave.unwrap_or_else(|| self.settings.leave.into()),
            orphan: rules.orphan,
            idempotency,
            face,
            channel,
        };
        Ok(self.runs.start_marked(prompt, mark).await?)
    }

    /// Returns the model that the request names, or the first one that the client may ask.
    fn model_for(
        &self,
        pass: &Pass,
        channel: &ChannelName,
        request: &ChatRequest,
    ) -> Result<String, Problem> {
        if !self.has_upstreams {
            return Err(PromptError::NoUpstream.into());
        }
        let Some(named) = request.model() else {
            let models = self.runs.models();
            let mut names = models.into_iter().map(|model| model.name);
            return names.find(|name| pass.allows_model(channel, name)).ok_or_else(|| {
                let detail =
                    "the prompt names no model, and no model is the default; send \"model\"";
                Problem::new(kinds::UNKNOWN_MODEL, detail)
            });
        };
        if pass.allows_model(channel, named) {
            return Ok(named.to_owned());
        }
        let detail = format!(
            "there is no model {named:?} that you may ask in {channel}; GET /v1/models lists the \
             models"
        );
        Err(Problem::new(kinds::UNKNOWN_MODEL, detail))
    }

    /// Writes what settings and hook decide into the request.
    fn apply(
        &self,
        request: &mut ChatRequest,
        model: String,
        terms: PromptTerms,
    ) -> Result<(), Problem> {
        request.set_model(&terms.model.unwrap_or(model));
        if !terms.messages.is_empty() {
            let first: Vec<&RawValue> = terms.messages.iter().map(|one| &**one).collect();
            let first = serde_json::to_string(&first).unwrap_or_default();
            request.prepend_messages(&first).map_err(PromptError::from)?;
        }
        let own = Some(self.settings.max_tokens).filter(|most| *most > 0);
        if let Some(most) = own.into_iter().chain(terms.max_tokens).min() {
            request.limit_tokens(most);
        }
        Ok(())
    }
}

/// Returns whose idempotency keys these are; `None` for a client that nothing tells
/// from others.
pub(crate) fn idempotency_scope(pass: &Pass) -> Option<String> {
    let identity = pass.identity();
    let user = identity.user.as_ref().map(UserId::as_str);
    match verified_scope(pass) {
        Some(scope) => Some(scope),
        None if !identity.issued => {
            Some(format!("client {} {}", identity.client, user.unwrap_or_default()))
        }
        _ => None,
    }
}

/// The same for a client that something vouches for.
fn verified_scope(pass: &Pass) -> Option<String> {
    let identity = pass.identity();
    match (&identity.trust, &identity.user) {
        (Trust::ApiKey(name), _) => Some(format!("key {name}")),
        (Trust::Verified, Some(user)) => Some(format!("user {}", user.as_str())),
        _ => None,
    }
}

/// Returns the channel by whose rules an answer is judged: an answer without a channel has those of
/// a stand-in, because nobody can name its own.
pub(crate) fn judged_as(channel: &ChannelName) -> ChannelName {
    match channel.is_of_answer() {
        true => STAND_IN.parse().unwrap_or_else(|_| channel.clone()),
        false => channel.clone(),
    }
}

/// Returns the hash by which a repeated prompt is known for the same. `model` is named beside the
/// body.
pub(crate) fn hash_of(body: &[u8], model: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(body);
    if let Some(model) = model {
        // No body has this byte.
        hash.update(b"\xff");
        hash.update(model);
    }
    hash.finalize().into()
}

fn prompt_key(
    pass: &Pass,
    (face, channel): (Face, &ChannelName),
    key: Arc<str>,
    body_hash: [u8; 32],
) -> Result<PromptKey, Problem> {
    let scope = idempotency_scope(pass).ok_or_else(|| {
        let detail = "Idempotency-Key needs a client that can be recognized: send a token, an API \
                      key, or client=";
        Problem::new(Kind::NoIdentity, detail)
    })?;
    let scope = format!("{} {channel} {scope}", face.name()).into();
    Ok(PromptKey { scope, key, body_hash })
}

impl From<settings::Busy> for tricast_llm::Busy {
    fn from(busy: settings::Busy) -> Self {
        match busy {
            settings::Busy::Refuse => Self::Refuse,
            settings::Busy::Queue => Self::Queue,
            settings::Busy::Replace => Self::Replace,
            settings::Busy::Parallel => Self::Parallel,
        }
    }
}

impl From<settings::Leave> for Leave {
    fn from(leave: settings::Leave) -> Self {
        match leave {
            settings::Leave::Detach => Self::Detach,
            settings::Leave::Cancel => Self::Cancel,
        }
    }
}
