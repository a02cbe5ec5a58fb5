//! A reader that changes what it listens to while its stream is open.

use std::sync::Arc;

use crate::{
    Access, Action, ChangeError, ChannelName, EngineError, Gap, Hub, Start, Subscribed,
    Subscription, engine::feed::FeedGuard, log::change::ChangeLimits,
};

/// A change that waits for whoever drives the stream.
#[derive(Debug)]
pub struct Change {
    kind: ChangeKind,
}

#[derive(Debug)]
enum ChangeKind {
    Subscribe { channel: ChannelName, start: Start, feed: FeedGuard },
    Unsubscribe(ChannelName),
    Renew(Arc<dyn Access>),
}

/// The result of a change.
#[derive(Debug)]
pub enum Changed {
    /// The connection listens to one more channel.
    Subscribed(Subscribed),
    /// The connection listens to this channel no more.
    Unsubscribed(ChannelName),
    /// The connection has other access rights.
    Renewed {
        /// When they end: milliseconds since 1970-01-01 UTC.
        expires: Option<u64>,
        /// Channels that they do not allow and that the connection has left.
        left: Vec<ChannelName>,
    },
}

impl Change {
    /// Listens to `channel` too, from `start` on. Done once the engine feeds it.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn subscribe(
        hub: &Hub,
        channel: ChannelName,
        start: Start,
    ) -> Result<Self, EngineError> {
        let feed = hub.open_feed([channel.clone()], start).await?;
        Ok(Self { kind: ChangeKind::Subscribe { channel, start, feed } })
    }

    /// Listens to `channel` no more.
    pub fn unsubscribe(channel: ChannelName) -> Self {
        Self { kind: ChangeKind::Unsubscribe(channel) }
    }

    /// Has `access` instead of what it came with, and leaves what that does not allow.
    pub fn renew(access: Arc<dyn Access>) -> Self {
        Self { kind: ChangeKind::Renew(access) }
    }

    /// What the reader may do from now on, if that changes.
    pub(crate) fn new_access(&self) -> Option<&Arc<dyn Access>> {
        match &self.kind {
            ChangeKind::Renew(access) => Some(access),
            ChangeKind::Subscribe { .. } | ChangeKind::Unsubscribe(_) => None,
        }
    }

    /// Applies the change. Gives its result, and the gap that the reader has to be told after it.
    pub(crate) fn apply(
        self,
        reader: &mut Subscription,
        limits: ChangeLimits,
    ) -> (Result<Changed, ChangeError>, Option<Gap>) {
        match self.kind {
            ChangeKind::Subscribe { channel, start, feed } => {
                match reader.add_channel(channel, start, limits) {
                    Ok((subscribed, gap)) => {
                        feed.disarm();
                        (Ok(Changed::Subscribed(subscribed)), gap)
                    }
                    Err(error) => (Err(error), None),
                }
            }
            ChangeKind::Unsubscribe(channel) => {
                let left = reader.remove_channel(&channel);
                (left.map(|()| Changed::Unsubscribed(channel)), None)
            }
            ChangeKind::Renew(access) => {
                let mut left = reader.channels();
                left.retain(|channel| access.check_rules(Action::Subscribe, channel).is_err());
                let done = left.iter().try_for_each(|channel| reader.remove_channel(channel));
                (done.map(|()| Changed::Renewed { expires: access.expires(), left }), None)
            }
        }
    }
}
