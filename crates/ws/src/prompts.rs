//! Prompts on this wire: the commands `prompt` and `cancel`, which the application carries out.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use serde::Serialize;
use serde_json::value::RawValue;
use tricast_core::{Access, ChannelName, Kind};

/// The future of a command that the application carries out. An error is the kind and the detail
/// of the refusal.
pub type PromptFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, (Kind, String)>> + Send + 'a>>;

/// Carries out prompts. This wire knows how they are spelled, and nothing of models.
pub trait Prompts: fmt::Debug + Send + Sync {
    /// Starts an answer for the client with these access rules.
    fn prompt(&self, access: Arc<dyn Access>, command: PromptCommand)
    -> PromptFuture<'_, Prompted>;

    /// Cancels an answer.
    fn cancel(&self, access: Arc<dyn Access>, run: String) -> PromptFuture<'_, Cancelled>;
}

/// The command `prompt`.
#[derive(Debug)]
pub struct PromptCommand {
    /// The channel of the answer.
    pub channel: ChannelName,
    /// The model, if the command names one beside a text.
    pub model: Option<String>,
    /// What is asked.
    pub content: PromptContent,
    /// The idempotency key.
    pub id: Option<Arc<str>>,
}

/// What a prompt asks.
#[derive(Debug)]
pub enum PromptContent {
    /// One message of the user.
    Text(String),
    /// The JSON body of a chat completion.
    Request(Box<RawValue>),
}

/// The reply to `prompt`.
#[derive(Debug, Serialize)]
pub struct Prompted {
    /// The run.
    pub run: String,
    /// Its channel.
    pub channel: ChannelName,
}

/// The reply to `cancel`.
#[derive(Debug, Serialize)]
pub struct Cancelled {
    /// The run.
    pub run: String,
    /// How it has ended, or `cancelling`.
    pub status: &'static str,
}
