//! A prompt on its way in, and what it is answered with.

use std::{sync::Arc, time::Duration};

use tricast_core::{ChannelName, Kind, MessageId, Problem, PublishError};

use crate::{BadRequest, Busy, ChatRequest, Face, Leave, Listening, RunId, Starter};

/// A prompt that somebody may make: the caller has checked that.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// The channel of the answer.
    pub channel: ChannelName,
    /// What is asked.
    pub request: ChatRequest,
    /// Who asks.
    pub starter: Starter,
    /// What becomes of it if the channel has an open run.
    pub busy: Busy,
    /// What becomes of the run when its last listening response is gone.
    pub leave: Leave,
    /// The run of a user is cancelled when nobody has listened for this long; zero means never.
    pub orphan: Duration,
    /// The key that makes a repeated prompt one run.
    pub idempotency: Option<PromptKey>,
    /// The interface by which it has come.
    pub face: Face,
}

/// An idempotency key of a prompt, within its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptKey {
    /// The verified user or API key, the interface and the channel.
    pub scope: Arc<str>,
    /// The key that the client has sent.
    pub key: Arc<str>,
    /// The hash of the body that came with it.
    pub body_hash: [u8; 32],
}

/// The mark of a request by a client library that repeats requests without a key of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptMark {
    /// The verified user or API key, and the channel.
    pub scope: Arc<str>,
    /// The hash of the body.
    pub body_hash: [u8; 32],
    /// Whether the library says that this repeats an earlier request.
    pub is_repeat: bool,
}

/// A prompt that has become a run, or has found the run that it repeats.
#[derive(Debug)]
pub struct Started {
    /// The run.
    pub run: RunId,
    /// Its channel.
    pub channel: ChannelName,
    /// The id of its first message: a reader that resumes just before it misses nothing.
    pub id: MessageId,
    /// Whether this repeats an earlier prompt.
    pub attached: bool,
    /// The name of the model, as clients know it.
    pub model: String,
    /// Counts the response as a listener for as long as it is kept.
    pub listening: Listening,
}

/// The error of a prompt that has become no run.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// No upstream has the model.
    #[error("there is no model {0:?}; GET /v1/models lists those that there are")]
    UnknownModel(String),
    /// No upstream is configured.
    #[error("this gateway has no upstream for prompts; configure one in [[llm]]")]
    NoUpstream,
    /// The channel has an open run.
    #[error("the run {run} is under way in this channel; wait for its end, or cancel it")]
    Busy {
        /// The open run.
        run: RunId,
    },
    /// Too many runs wait in the channel.
    #[error("too many prompts wait in this channel; retry when one has been answered")]
    QueueFull,
    /// The user or the address has too many open runs.
    #[error("{0} runs of yours are under way, and no more are allowed; wait for the end of one")]
    TooManyRuns(usize),
    /// The idempotency key has come with another body before.
    #[error("this Idempotency-Key was sent with another prompt; use a new key for a new prompt")]
    BodyMismatch,
    /// There is no memory for another run.
    #[error("the gateway has no room for another run; retry later")]
    Full,
    /// The gateway is shutting down.
    #[error("the gateway is shutting down; prompt again in a moment")]
    Draining,
    /// The prompt is too large.
    #[error("the prompt has more than {0} bytes (relay.prompt_bytes); send less")]
    TooLarge(usize),
    /// The body is no prompt.
    #[error(transparent)]
    Invalid(#[from] BadRequest),
    /// The first message of the run could not be published.
    #[error(transparent)]
    NotPublished(Arc<PublishError>),
}

impl PromptError {
    /// The kinds of problems that only prompts have.
    pub const KINDS: &[Kind] = &[
        Kind::Transport("unknown-model"),
        Kind::Transport("run-active"),
        Kind::Transport("too-many-runs"),
        Kind::Transport("prompt-mismatch"),
        Kind::Transport("bad-prompt"),
    ];
}

impl Problem for PromptError {
    fn kind(&self) -> Kind {
        match self {
            PromptError::UnknownModel(_) | PromptError::NoUpstream => {
                Kind::Transport("unknown-model")
            }
            PromptError::Busy { .. } | PromptError::QueueFull => Kind::Transport("run-active"),
            PromptError::TooManyRuns(_) => Kind::Transport("too-many-runs"),
            PromptError::BodyMismatch => Kind::Transport("prompt-mismatch"),
            PromptError::Full => Kind::Overloaded,
            PromptError::Draining => Kind::Draining,
            PromptError::TooLarge(_) => Kind::TooLarge,
            PromptError::Invalid(_) => Kind::Transport("bad-prompt"),
            PromptError::NotPublished(error) => error.kind(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            PromptError::NotPublished(error) => error.retry_after(),
            PromptError::Full => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
