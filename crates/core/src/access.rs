//! What a connection may do. Every wire asks before it does anything; whoever admits gives the answers.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{ChannelName, Kind, Problem};

/// What somebody wants to do with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Listen to it.
    Subscribe,
    /// Look at what it holds, or who is there, without listening.
    Read,
    /// Say something.
    Publish,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Denied {
    /// The stable kind.
    pub kind: Kind,
    /// What is wrong and what to do; never a token or a key.
    pub detail: String,
    /// When it may be tried again.
    pub retry_after: Option<Duration>,
}

impl Denied {
    /// For good, as far as the gateway knows.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None }
    }

    /// For so long.
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

/// An answer that is still to come.
pub type AccessFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Denied>> + Send + 'a>>;

/// What one connection may do. Dropped with its stream.
pub trait Access: fmt::Debug + Send + Sync {
    /// Whether the rules let it. Takes nothing from any rate and asks nobody.
    ///
    /// # Errors
    /// When they do not.
    fn check_rules(&self, action: Action, channel: &ChannelName) -> Result<(), Denied>;

    /// Takes one message of so many bytes from what it may say now.
    ///
    /// # Errors
    /// When that is used up.
    fn consume_rate(&self, channel: &ChannelName, bytes: usize) -> Result<(), Denied>;

    /// Asks whoever else has a say; `None` when nobody has. `bytes` is what it wants to say.
    fn ask_external<'a>(
        &'a self,
        action: Action,
        channel: &'a ChannelName,
        bytes: Option<usize>,
    ) -> Option<AccessFuture<'a, ()>>;

    /// Takes a new token in place of what it came with.
    fn renew(self: Arc<Self>, token: String) -> AccessFuture<'static, Arc<dyn Access>>;

    /// Notes that it was refused, for whoever keeps watch.
    fn record_denial(&self, action: Action, channel: &ChannelName, denied: &Denied);

    /// When it ends, in milliseconds since 1970.
    fn expires(&self) -> Option<u64>;
}

/// Whether `access` lets it: by the rules, and by whoever else has a say.
///
/// # Errors
/// When it does not.
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

/// Whether `access` lets it say something of so many bytes. What is known here comes first: who may not, or has said
/// enough, has nobody asked.
///
/// # Errors
/// When it does not.
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

/// Allows everything, without an end: for programs that decide elsewhere who may do what.
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
