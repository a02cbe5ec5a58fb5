//! What the hook is told of a prompt, and what it changes in one.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::ModelNames;

/// What is asked: the content stays in the gateway.
#[derive(Clone, Copy, Debug)]
pub struct PromptQuestion<'a> {
    /// The public name of the model.
    pub model: &'a str,
    /// The bytes of the request.
    pub bytes: usize,
}

/// What the hook changes in a prompt.
#[derive(Clone, Debug, Default)]
pub struct PromptTerms {
    /// The model to ask, instead of the one that was named.
    pub model: Option<String>,
    /// The most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// Messages to put before the others, each a JSON object. The client does not see them.
    pub messages: Vec<Arc<RawValue>>,
}

impl PromptTerms {
    pub(crate) fn parse(
        model: Option<String>,
        max_tokens: Option<u64>,
        messages: Option<Vec<Box<RawValue>>>,
    ) -> Result<Self, String> {
        if let Some(model) = &model {
            ModelNames::parse(vec![model.clone()])?;
        }
        if max_tokens == Some(0) {
            return Err("max_tokens is at least 1".to_owned());
        }
        let messages = messages.unwrap_or_default();
        if messages.iter().any(|message| !message.get().starts_with('{')) {
            return Err("messages: each is an object with a role and a content".to_owned());
        }
        let messages = messages.into_iter().map(Arc::from).collect();
        Ok(Self { model, max_tokens, messages })
    }

    /// Estimates the memory that the terms occupy, in bytes.
    pub(crate) fn memory_size(&self) -> usize {
        self.messages.iter().map(|message| message.get().len() + 32).sum::<usize>()
            + self.model.as_ref().map_or(0, String::len)
    }
}

impl PartialEq for PromptTerms {
    fn eq(&self, other: &Self) -> bool {
        let texts = |terms: &Self| -> Vec<String> {
            terms.messages.iter().map(|message| message.get().to_owned()).collect()
        };
        self.model == other.model
            && self.max_tokens == other.max_tokens
            && texts(self) == texts(other)
    }
}
