//! The access rules of a connection. Each wire asks before it acts; the application answers.

use std::{any::Any, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{ChannelName, Kind, Problem, StreamEnd};

/// An action on a channel that needs permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Subscribe to it.
    Subscribe,
    /// Read its history or its users, without subscribing.
    Read,
    /// Publish to it.
    Publish,
    /// Erase its history.
    Erase,
    /// Ask for an answer that is published in it.
    Prompt,
}

/// The error of an action that was denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Denied {
    /// The stable kind of the problem.
    pub kind: Kind,
    /// The text for the client: what is wrong and what to do. It never holds a token or a key.
    pub detail: String,
    /// The time after which the client may try again.
    pub retry_after: Option<Duration>,
}

impl Denied {
    /// Makes a denial without a time after which the client may try again.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None }
    }

    /// Sets the time after which the client may try again.
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }
}

impl Problem for Denied {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The future of a decision.
pub type AccessFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Denied>> + Send + 'a>>;

/// The access rules of one connection. They are dropped with its stream.
///
/// The application that made them can take them back as what they are, through [`Any`].
pub trait Access: Any + fmt::Debug + Send + Sync {
    /// Checks the rules that are known here, at once. It takes nothing from a rate limit.
    ///
    /// # Errors
    /// When the rules deny the action.
    fn check_rules(&self, action: Action, channel: &ChannelName) -> Result<(), Denied>;

    /// Takes one message of `bytes` bytes from the rate limits.
    ///
    /// # Errors
    /// When a rate limit is exceeded.
    fn consume_rate(&self, channel: &ChannelName, bytes: usize) -> Result<(), Denied>;

    /// Asks an external service, such as a hook; `None` if there is none. `bytes` is the size of a
    /// message to publish.
    fn ask_external<'a>(
        &'a self,
        action: Action,
        channel: &'a ChannelName,
        bytes: Option<usize>,
    ) -> Option<AccessFuture<'a, ()>>;

    /// Returns the access rules of a new token, which replaces the present one.
    fn renew(self: Arc<Self>, token: String) -> AccessFuture<'static, Arc<dyn Access>>;

    /// Records that an action was denied, such as for an audit log.
    fn record_denial(&self, action: Action, channel: &ChannelName, denied: &Denied);

    /// Returns the time at which the stream expires, in milliseconds since 1970.
    fn expires(&self) -> Option<u64>;

    /// Records how the stream has ended. It is called once, before the rules are dropped.
    fn record_end(&self, end: StreamEnd) {
        let _ = end;
    }
}

/// Checks an action by the rules, then by the external service if there is one.
///
/// # Errors
/// When either denies it.
pub async fn authorize(
    access: &dyn Access,
    action: Action,
    channel: &ChannelName,
) -> Result<(), Denied> {
    access.check_rules(action, channel)?;
    match access.ask_external(action, channel, None) {
        Some(decision) => decision.await,
        None => Ok(()),
    }
}

/// Checks a message of `bytes` bytes. The rules and the rate limits come first, so that a message
/// that they deny does not reach the external service.
///
/// # Errors
/// When one of them denies it.
pub async fn authorize_publish(
    access: &dyn Access,
    channel: &ChannelName,
    bytes: usize,
) -> Result<(), Denied> {
    access.check_rules(Action::Publish, channel)?;
    access.consume_rate(channel, bytes)?;
    match access.ask_external(Action::Publish, channel, Some(bytes)) {
        Some(decision) => decision.await,
        None => Ok(()),
    }
}

/// Allows everything, and never expires: for programs that check permissions elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Access for AllowAll {
    fn check_rules(&self, _: Action, _: &ChannelName) -> Result<(), Denied> {
        Ok(())
    }

    fn consume_rate(&self, _: &ChannelName, _: usize) -> Result<(), Denied> {
        Ok(())
    }

    fn ask_external<'a>(
        &'a self,
        _: Action,
        _: &'a ChannelName,
        _: Option<usize>,
    ) -> Option<AccessFuture<'a, ()>> {
        None
    }

    fn renew(self: Arc<Self>, _: String) -> AccessFuture<'static, Arc<dyn Access>> {
        Box::pin(std::future::ready(Ok(self as Arc<dyn Access>)))
    }

    fn record_denial(&self, _: Action, _: &ChannelName, _: &Denied) {}

    fn expires(&self) -> Option<u64> {
        None
    }
}
