//! Changes of a stream that is open: more channels, fewer, or other access rules.

use std::sync::Arc;

use crate::{
    Access, Action, ChangeError, ChannelName, EngineError, Gap, Hub, Start, Subscribed,
    Subscription,
    log::change::{Addition, ChangeLimits},
};

/// A change that is ready to be applied to a stream.
#[derive(Debug)]
pub struct Change {
    kind: ChangeKind,
}

#[derive(Debug)]
enum ChangeKind {
    Subscribe(Addition),
    Unsubscribe(ChannelName),
    Renew(Arc<dyn Access>),
}

/// The result of a change.
#[derive(Debug)]
pub enum Changed {
    /// The connection is subscribed to one more channel.
    Subscribed(Subscribed),
    /// The connection is no longer subscribed to this channel.
    Unsubscribed(ChannelName),
    /// The connection has other access rules.
    Renewed {
        /// When they expire: milliseconds since 1970-01-01 UTC.
        expires: Option<u64>,
        /// Channels that they do not allow, which the connection has left.
        left: Vec<ChannelName>,
    },
}

impl Change {
    /// Makes a change that subscribes to `channel` from `start` on. Completes once the engine has
    /// said where it begins.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn subscribe(
        hub: &Hub,
        channel: ChannelName,
        start: Start,
    ) -> Result<Self, EngineError> {
        let located = hub.locate(std::slice::from_ref(&channel), start).await?;
        Ok(Self { kind: ChangeKind::Subscribe(Addition { channel, start, located }) })
    }

    /// Makes a change that unsubscribes from `channel`.
    pub fn unsubscribe(channel: ChannelName) -> Self {
        Self { kind: ChangeKind::Unsubscribe(channel) }
    }

    /// Makes a change that replaces the access rules by `access`, and leaves the channels that
    /// `access` does not allow.
    pub fn renew(access: Arc<dyn Access>) -> Self {
        Self { kind: ChangeKind::Renew(access) }
    }

    /// Returns the new access rules, if they change.
    pub(crate) fn new_access(&self) -> Option<&Arc<dyn Access>> {
        match &self.kind {
            ChangeKind::Renew(access) => Some(access),
            ChangeKind::Subscribe(_) | ChangeKind::Unsubscribe(_) => None,
        }
    }

    /// Applies the change. Returns its result, and the gap to report to the reader after it.
    pub(crate) fn apply(
        self,
        reader: &mut Subscription,
        limits: ChangeLimits,
    ) -> (Result<Changed, ChangeError>, Option<Gap>) {
        match self.kind {
            ChangeKind::Subscribe(addition) => match reader.add_channel(addition, limits) {
                Ok((subscribed, gap)) => (Ok(Changed::Subscribed(subscribed)), gap),
                Err(error) => (Err(error), None),
            },
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
