//! What a connection may do. Every wire asks before it does anything; whoever admits gives the answers.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

use crate::{ChannelName, Kind, Problem};

/// What somebody wants to do with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Listen to it.
    Subscribe,
    /// Look at what it holds, or who is there, without listening.
    Look,
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
    pub fn until(mut self, retry_after: Duration) -> Self {
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
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Denied>> + Send + 'a>>;

/// What one connection may do. Dropped with its stream.
pub trait Access: fmt::Debug + Send + Sync {
    /// Whether the rules let it. Takes nothing from any rate and asks nobody.
    ///
    /// # Errors
    /// When they do not.
    fn permits(&self, act: Act, channel: &ChannelName) -> Result<(), Denied>;

    /// Takes one message of so many bytes from what it may say now.
    ///
    /// # Errors
    /// When that is used up.
    fn spend(&self, channel: &ChannelName, bytes: usize) -> Result<(), Denied>;

    /// Asks whoever else has a say; `None` when nobody has. `bytes` is what it wants to say.
    fn ask<'a>(
        &'a self,
        act: Act,
        channel: &'a ChannelName,
        bytes: Option<usize>,
    ) -> Option<Asked<'a, ()>>;

    /// Takes a new token in place of what it came with.
    fn renew(self: Arc<Self>, token: String) -> Asked<'static, Arc<dyn Access>>;

    /// Notes that it was refused, for whoever keeps watch.
    fn refused(&self, act: Act, channel: &ChannelName, denied: &Denied);

    /// When it ends, in milliseconds since 1970.
    fn expires(&self) -> Option<u64>;
}

/// Whether `access` lets it: by the rules, and by whoever else has a say.
///
/// # Errors
/// When it does not.
pub async fn admit(access: &dyn Access, act: Act, channel: &ChannelName) -> Result<(), Denied> {
    access.permits(act, channel)?;
    match access.ask(act, channel, None) {
        Some(asked) => asked.await,
        None => Ok(()),
    }
}

/// Whether `access` lets it say something of so many bytes. What is known here comes first: who may not, or has said
/// enough, has nobody asked.
///
/// # Errors
/// When it does not.
pub async fn admit_message(
    access: &dyn Access,
    channel: &ChannelName,
    bytes: usize,
) -> Result<(), Denied> {
    access.permits(Act::Publish, channel)?;
    access.spend(channel, bytes)?;
    match access.ask(Act::Publish, channel, Some(bytes)) {
        Some(asked) => asked.await,
        None => Ok(()),
    }
}

/// [`Open`], shared by all.
pub(crate) fn open() -> Arc<dyn Access> {
    static OPEN: LazyLock<Arc<Open>> = LazyLock::new(|| Arc::new(Open));
    OPEN.clone()
}

/// Lets everything, for ever: where nobody admits.
#[derive(Debug)]
pub struct Open;

impl Access for Open {
    fn permits(&self, _: Act, _: &ChannelName) -> Result<(), Denied> {
        Ok(())
    }

    fn spend(&self, _: &ChannelName, _: usize) -> Result<(), Denied> {
        Ok(())
    }

    fn ask<'a>(&'a self, _: Act, _: &'a ChannelName, _: Option<usize>) -> Option<Asked<'a, ()>> {
        None
    }

    fn renew(self: Arc<Self>, _: String) -> Asked<'static, Arc<dyn Access>> {
        Box::pin(std::future::ready(Ok(self as Arc<dyn Access>)))
    }

    fn refused(&self, _: Act, _: &ChannelName, _: &Denied) {}

    fn expires(&self) -> Option<u64> {
        None
    }
}
