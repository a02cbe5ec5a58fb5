//! The request of a prompt: a body of OpenAI's chat completions. What the gateway does not know
//! passes as it came.

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::merged::Members;

/// The most answers that one prompt may ask for.
const MAX_CHOICES: u32 = 128;

/// The most bytes of the name of a model: it is told with each answer.
const MODEL_MAX: usize = 256;

/// The member that is for the gateway alone.
const OWN: &str = "tricast";

/// The body of a prompt, whose members are kept as they are spelled.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    members: Vec<(String, Box<RawValue>)>,
    choices: u32,
    model: Option<String>,
}

/// The error of a body that is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// It is not UTF-8.
    #[error("the prompt is not UTF-8: {0}")]
    Text(#[from] std::str::Utf8Error),
    /// It is not a JSON object.
    #[error("the prompt is not a JSON object of OpenAI's chat completions: {0}")]
    Json(#[from] serde_json::Error),
    /// A member is there twice, and an upstream might take the other one.
    #[error("the prompt has the member {0:?} twice; send it once")]
    Twice(String),
    /// A member has a value that it cannot have.
    #[error("the member {member:?} of the prompt has to be {expected}")]
    Member {
        /// Its name.
        member: &'static str,
        /// What it may be.
        expected: &'static str,
    },
}

impl ChatRequest {
    /// Reads the JSON of a prompt.
    ///
    /// # Errors
    /// When it is no body of a chat completion.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        let text = std::str::from_utf8(body)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Members(members) = serde_json::from_str(text)?;
        let mut request = Self { members: Vec::new(), choices: 1, model: None };
        for (name, value) in members {
            if request.member(&name).is_some() {
                return Err(BadRequest::Twice(name));
            }
            request.members.push((name, value.to_owned()));
        }
        let messages: Option<Vec<&RawValue>> = request.read("messages", "a list of messages")?;
        if messages.is_none_or(|all| all.is_empty()) {
            let expected = "a list of at least one message";
            return Err(BadRequest::Member { member: "messages", expected });
        }
        let expected = "a text of 1 to 256 bytes without control characters";
        request.model = request.read("model", expected)?;
        if request.model.as_deref().is_some_and(|name| !is_model_name(name)) {
            return Err(BadRequest::Member { member: "model", expected });
        }
        let choices = request.read("n", "a whole number from 1 to 128")?.unwrap_or(1);
        if !(1..=MAX_CHOICES).contains(&choices) {
            let expected = "a whole number from 1 to 128";
            return Err(BadRequest::Member { member: "n", expected });
        }
        request.choices = choices;
        let _: Option<bool> = request.read("stream", "true or false")?;
        request.stream_options()?;
        Ok(request)
    }

    /// Makes a prompt of one message of the user.
    pub fn of_text(text: &str) -> Self {
        let messages = json!([{"role": "user", "content": text}]);
        let members = vec![("messages".to_owned(), raw(&messages))];
        Self { members, choices: 1, model: None }
    }

    /// Returns the name of the model that is asked for, if there is one.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Sets the name of the model.
    pub fn set_model(&mut self, model: &str) {
        self.set("model", raw(&json!(model)));
        self.model = Some(model.to_owned());
    }

    /// Returns how many answers are asked for.
    pub fn choices(&self) -> u32 {
        self.choices
    }

    /// Whether the answer is to be streamed.
    pub fn streams(&self) -> bool {
        self.read("stream", "").ok().flatten().unwrap_or(false)
    }

    /// Whether a streamed answer is to have the usage.
    pub fn includes_usage(&self) -> bool {
        #[derive(Deserialize)]
        struct Options {
            include_usage: Option<bool>,
        }
        let options: Option<Options> = self.read("stream_options", "").ok().flatten();
        options.and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// Returns the member that is for the gateway alone, as JSON.
    pub fn own_member(&self) -> Option<&str> {
        self.member(OWN).map(RawValue::get)
    }

    /// Bounds the tokens of the answer.
    pub fn limit_tokens(&mut self, most: u64) {
        const NAMES: [&str; 2] = ["max_completion_tokens", "max_tokens"];
        let mut is_bounded = false;
        for name in NAMES {
            let Ok(Some(asked)) = self.read::<f64>(name, "") else { continue };
            if asked > most as f64 {
                self.set(name, raw(&json!(most)));
            }
            is_bounded = true;
        }
        if !is_bounded {
            self.set(NAMES[1], raw(&json!(most)));
        }
    }

    /// Puts messages in front of those of the client, such as a system prompt of the hook.
    ///
    /// # Errors
    /// When `messages` is not a JSON list.
    pub fn prepend_messages(&mut self, messages: &str) -> Result<(), BadRequest> {
        let first: Vec<&RawValue> = serde_json::from_str(messages)?;
        let own: Vec<&RawValue> = self.read("messages", "a list")?.unwrap_or_default();
        let all: Vec<&RawValue> = first.into_iter().chain(own).collect();
        let all = serde_json::value::to_raw_value(&all)?;
        self.set("messages", all);
        Ok(())
    }

    /// Returns about how many bytes it occupies as JSON.
    pub fn length(&self) -> usize {
        let one = |(name, value): &(String, Box<RawValue>)| name.len() + value.get().len() + 4;
        self.members.iter().map(one).sum()
    }

    /// Returns the body for an upstream that knows the model as `model`: streamed, with its usage,
    /// and without what is for the gateway alone.
    pub(crate) fn to_body(&self, model: &str) -> Vec<u8> {
        let mut body = self.clone();
        body.members.retain(|(name, _)| name != OWN);
        body.set("model", raw(&json!(model)));
        body.set("stream", raw(&json!(true)));
        body.set("stream_options", self.stream_options().unwrap_or_default());
        let mut json = String::with_capacity(body.length() + 2);
        for (name, value) in &body.members {
            json.push(if json.is_empty() { '{' } else { ',' });
            json.extend([raw(&json!(name)).get(), ":", value.get()]);
        }
        json.push('}');
        json.into_bytes()
    }

    /// Estimates the tokens of the prompt, for an upstream that does not tell its usage.
    pub(crate) fn estimated_tokens(&self) -> u64 {
        /// Of the usual tokenizers, in English text.
        const BYTES_PER_TOKEN: usize = 4;
        let messages = self.member("messages").map_or(0, |value| value.get().len());
        messages.div_ceil(BYTES_PER_TOKEN) as u64
    }

    /// The client's options of the stream, and the usage.
    fn stream_options(&self) -> Result<Box<RawValue>, BadRequest> {
        const WRONG: BadRequest =
            BadRequest::Member { member: "stream_options", expected: "an object" };
        let members = match self.member("stream_options").filter(|it| it.get() != "null") {
            None => Vec::new(),
            Some(options) => serde_json::from_str::<Members>(options.get()).map_err(|_| WRONG)?.0,
        };
        let members = members.into_iter().map(|(name, value)| (name, value.to_owned()));
        let mut options = Self { members: members.collect(), choices: 1, model: None };
        options.set("include_usage", raw(&json!(true)));
        let pairs = options.members.iter().map(|(name, value)| (name, value));
        Ok(serde_json::value::to_raw_value(&pairs.collect::<std::collections::BTreeMap<_, _>>())?)
    }

    fn member(&self, name: &str) -> Option<&RawValue> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Reads a member; `None` if it is not there or null.
    fn read<'a, T: Deserialize<'a>>(
        &'a self,
        member: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, BadRequest> {
        let Some(value) = self.member(member) else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|_| BadRequest::Member { member, expected })
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.members.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.members.push((name.to_owned(), value)),
        }
    }
}

/// Whether this can be the name of a model, wherever it comes from.
pub(crate) fn is_model_name(name: &str) -> bool {
    (1..=MODEL_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Returns the JSON of a value, which always serializes.
fn raw(value: &serde_json::Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

#[cfg(test)]
#[path = "tests/chat_request.rs"]
mod tests;
