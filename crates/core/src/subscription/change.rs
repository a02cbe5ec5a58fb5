//! A reader that changes what it listens to while its stream is open.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Access, Action, ChannelFull, ChannelName, EngineError, Gap, Hub, Kind, MessageId, NotRecovered,
    Problem, Start, Subscription, TooManyChannels,
    hub::FeedGuard,
    log::{Log, start::AheadOfLog},
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

/// A further channel of a connection.
#[derive(Debug)]
pub struct Subscribed {
    /// The connection's cursor after this, which goes back to `from` if it was ahead of that.
    pub id: MessageId,
    /// The channel.
    pub channel: ChannelName,
    /// The position after which its messages begin.
    pub from: MessageId,
    /// The last position whose messages were published before.
    pub to: MessageId,
    /// Why they do not begin where the client left off; `None` if they do.
    pub not_recovered: Option<NotRecovered>,
    /// Online users of the channel.
    pub online: BTreeMap<ChannelName, u32>,
}

/// A change was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It listens there.
    #[error("this connection listens to {0} already")]
    AlreadySubscribed(ChannelName),
    /// It does not listen there.
    #[error("this connection does not listen to {0}")]
    NotSubscribed(ChannelName),
    /// As many channels as one connection may have.
    #[error("one connection takes at most {0} channels; leave one, or open another connection")]
    ConnectionFull(usize),
    /// As many channels as the gateway may have.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// As many subscribers as the channel may have.
    #[error(transparent)]
    ChannelFull(#[from] ChannelFull),
    /// The resume point cannot have come from here.
    #[error(transparent)]
    AheadOfLog(#[from] AheadOfLog),
}

impl Problem for ChangeError {
    fn kind(&self) -> Kind {
        match self {
            ChangeError::AlreadySubscribed(_) => Kind::AlreadySubscribed,
            ChangeError::NotSubscribed(_) => Kind::NotSubscribed,
            ChangeError::ConnectionFull(_) => Kind::BadChannel,
            ChangeError::TooManyChannels(error) => error.kind(),
            ChangeError::ChannelFull(error) => error.kind(),
            ChangeError::AheadOfLog(error) => error.kind(),
        }
    }
}

impl Change {
    /// Listens to `channel` too, from `start` on. Done once the engine feeds it.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn subscribe(
        hub: &Arc<Hub>,
        channel: ChannelName,
        start: Start,
    ) -> Result<Self, EngineError> {
        let feed = FeedGuard::open(hub, [channel.clone()], start).await?;
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

/// What holds for a reader that changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeLimits {
    /// The most channels that it may ask for.
    pub(crate) max_channels: usize,
    /// It is told changes of the online counts.
    pub(crate) online_updates: bool,
}

impl Subscription {
    fn add_channel(
        &mut self,
        channel: ChannelName,
        start: Start,
        limits: ChangeLimits,
    ) -> Result<(Subscribed, Option<Gap>), ChangeError> {
        let hub = self.hub().clone();
        let added = hub.log().add_channel(self, channel, start, limits)?;
        self.update_connection_info();
        Ok(added)
    }

    fn remove_channel(&mut self, channel: &ChannelName) -> Result<(), ChangeError> {
        let hub = self.hub().clone();
        hub.log().remove_channel(self, channel)?;
        hub.engine().close_feed(channel);
        self.update_connection_info();
        Ok(())
    }
}

impl Log {
    /// Puts a reader into one more channel: from here on it is counted and misses nothing.
    fn add_channel(
        &self,
        reader: &mut Subscription,
        channel: ChannelName,
        start: Start,
        limits: ChangeLimits,
    ) -> Result<(Subscribed, Option<Gap>), ChangeError> {
        let mut table = self.table.lock();
        start.check(self.epoch(), table.watermark)?;
        if reader.index_of(&table, &channel).is_some() {
            return Err(ChangeError::AlreadySubscribed(channel));
        }
        if reader.cursor.channels.iter().filter(|cursor| cursor.explicit).count()
            >= limits.max_channels
        {
            return Err(ChangeError::ConnectionFull(limits.max_channels));
        }
        if !table.has_room_for(std::iter::once(channel.clone())) {
            return Err(TooManyChannels.into());
        }
        table.check_subscriber_limit(&channel)?;
        let slots = table.pin_all(std::iter::once(channel.clone()))?;
        let resolved = start.resolve(self.epoch(), &table, &slots);
        let mut cursor = resolved.channel_cursor(0, slots[0], &table, true);
        let wakers = table.add_subscriber(&mut cursor, &reader.member(limits.online_updates));
        let done = Subscribed {
            id: self.id(reader.seq().min(resolved.position)),
            channel: channel.clone(),
            from: self.id(resolved.position),
            to: self.id(table.watermark),
            not_recovered: resolved.not_recovered,
            online: table.slots[cursor.slot]
                .visible_users()
                .map(|users| (channel.clone(), users))
                .into_iter()
                .collect(),
        };
        drop(table);
        reader.cursor.add_channel(cursor, resolved.position);
        wakers.wake_count_watchers();
        // Not an id above the cursor: whoever is cut behind this gap resumes from it.
        let gap = resolved.foreign.then(|| Gap::unknown(done.id, channel));
        Ok((done, gap))
    }

    /// Takes a reader out of one of the channels that it has asked for.
    fn remove_channel(
        &self,
        reader: &mut Subscription,
        channel: &ChannelName,
    ) -> Result<(), ChangeError> {
        let mut table = self.table.lock();
        let index =
            reader.index_of(&table, channel).filter(|at| reader.cursor.channels[*at].explicit);
        let index = index.ok_or_else(|| ChangeError::NotSubscribed(channel.clone()))?;
        let cursor = reader.cursor.remove_channel(index);
        let wakers = table.remove_subscriber(&cursor, &reader.member(false));
        drop(table);
        wakers.iter().for_each(|wakers| wakers.wake_count_watchers());
        Ok(())
    }
}
