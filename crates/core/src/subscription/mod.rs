//! A subscription: a cursor into the log, a bell, and a place in the online counts.
//! Leaving is dropping it.

pub(crate) mod change;
pub(crate) mod connections;
pub(crate) mod counts;
pub(crate) mod member;
pub(crate) mod online_watch;

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use crate::{
    ChannelFull, ChannelName, CloseReason, Gap, Identity, Kind, MessageId, NotRecovered,
    OnlineChange, Overloaded, Problem, Seq, Start, TooManyChannels, Wire,
    hub::Hub,
    log::{
        Log,
        cursor::{ChannelCursor, Cursor, Item, ReadLimit},
        start::AheadOfLog,
        table::Table,
    },
    notify::{
        shard::ShardId,
        waker::{ReaderWaker, ShardWaker, WakeOn, WakerSet},
    },
    subscription::member::Member,
};

/// A request to subscribe, for [`Hub::join`].
///
/// ```
/// use tricast_core::{Identity, Join, Start, Wire};
///
/// let channels = ["news".parse()?, "weather".parse()?];
/// let join = Join::new(channels, Identity::unverified(None, None), Wire::Sse)
///     .with_start(Start::Newest(10));
/// assert_eq!(join.channels.len(), 2);
/// # Ok::<(), tricast_core::BadChannelName>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nobody has joined before this is given to `Hub::join`"]
#[non_exhaustive]
pub struct Join {
    /// The channels: at least one, each once.
    pub channels: Vec<ChannelName>,
    /// The reader.
    pub identity: Arc<Identity>,
    /// The wire, for the metrics and the online counts; the same as the format's.
    pub wire: Wire,
    /// The place in the log to begin at.
    pub start: Start,
    /// Whether the reader is sent changes of the online counts.
    pub online_updates: bool,
    /// Whether the user's own channel, `@user`, is added. Only for a user who is known to be that
    /// user.
    pub include_user_channel: bool,
}

/// A reader cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The hub is draining its connections.
    #[error("the gateway is shutting down; reconnect in a moment")]
    Draining,
    /// The hub sheds load.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The hub has reached its connection limit.
    #[error("the gateway has reached its connection limit, limits.connections; retry later")]
    TooManyConnections,
    /// The log has reached its channel limit.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// A channel has reached its subscriber limit.
    #[error(transparent)]
    ChannelFull(#[from] ChannelFull),
    /// The resume point is ahead of the log.
    #[error(transparent)]
    AheadOfLog(#[from] AheadOfLog),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] crate::EngineError),
}

impl Problem for JoinError {
    fn kind(&self) -> Kind {
        match self {
            JoinError::Draining => Kind::Draining,
            JoinError::Overloaded(error) => error.kind(),
            JoinError::TooManyConnections => Kind::TooManyConnections,
            JoinError::TooManyChannels(_) => Kind::TooManyChannels,
            JoinError::ChannelFull(error) => error.kind(),
            JoinError::AheadOfLog(_) => Kind::AheadOfLog,
            JoinError::Engine(error) => error.kind(),
        }
    }
}

/// The state of the log for a reader at the moment that it joined; the session's hello reports it.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinInfo {
    /// The channels that were asked for.
    pub channels: Vec<ChannelName>,
    /// Why the reader does not go on where it left off; `None` when it does.
    pub not_recovered: Option<NotRecovered>,
    /// Losses of unknown extent, after a change of epoch.
    pub gaps: Vec<Gap>,
    /// Online users of each channel, this reader included.
    pub online: BTreeMap<ChannelName, u32>,
    /// Whether the reader asked for changes of the online counts.
    pub(crate) online_updates: bool,
}

/// A cursor into the log.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    identity: Arc<Identity>,
    wire: Wire,
    pub(crate) cursor: Cursor,
    waker: Arc<ReaderWaker>,
    connection_index: usize,
    /// The shard that brings the news; without one the bell does.
    shard: Option<ShardId>,
}

impl Subscription {
    pub(crate) fn new(
        hub: Arc<Hub>,
        join: Join,
        waker: Arc<ReaderWaker>,
        connection_index: usize,
    ) -> Result<(Self, JoinInfo), JoinError> {
        let (cursor, join_info) = hub.log().join(&join, &waker)?;
        let Join { identity, wire, .. } = join;
        let meters = hub.meters().for_wire(wire);
        meters.connections.increment(1.0);
        meters.opened.increment(1);
        match join_info.not_recovered {
            None => meters.resumed.increment(1),
            Some(NotRecovered::Fresh) => {}
            Some(_) => meters.not_resumed.increment(1),
        }
        let shard = None;
        Ok((Self { hub, identity, wire, cursor, waker, connection_index, shard }, join_info))
    }

    /// Who reads.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// The hub it reads from.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// How it reads.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// The cursor: everything up to it has been read.
    pub fn position(&self) -> MessageId {
        self.hub.log().id(self.cursor.position)
    }

    /// Whether every channel that was asked for has ended.
    pub fn has_ended(&self) -> bool {
        self.cursor.has_ended()
    }

    /// Sets who is woken when there is more to read; call it before reading.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Sets which shard's reader is called by the bell; call it before reading.
    pub(crate) fn register_shard(&self, waker: &Arc<dyn ShardWaker>, key: u32) {
        self.waker.register_shard(waker, key);
    }

    /// From here on `shard` is told of news, once for all its readers; the bell rings only for
    /// goodbyes and, if asked for, online counts. What came until now is still to be read.
    pub(crate) fn attach_to_shard(&mut self, shard: ShardId, online: bool) {
        let mut table = self.hub.log().table.lock();
        for cursor in &mut self.cursor.channels {
            let wakers = &table.slots[cursor.slot].wakers;
            wakers.remove(std::mem::replace(&mut cursor.waker_id, u64::MAX));
            if online && cursor.explicit {
                cursor.waker_id = wakers.insert(&self.waker, WakeOn { messages: false, online });
            }
            table.attach_shard(cursor.slot, shard);
        }
        drop(table);
        self.shard = Some(shard);
    }

    /// The slots of its channels.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = usize> {
        self.cursor.channels.iter().map(|cursor| cursor.slot)
    }

    /// Whether some of its channels have ended.
    pub(crate) fn has_ended_channel(&self) -> bool {
        self.cursor.has_ended_channel()
    }

    /// How it sits in its channels.
    pub(crate) fn member(&self, online: bool) -> Member<'_> {
        let (identity, wire) = (&*self.identity, self.wire);
        Member { identity, wire, waker: &self.waker, shard: self.shard, online_updates: online }
    }

    /// Which of its taps is `channel`'s.
    pub(crate) fn index_of(&self, table: &Table, channel: &ChannelName) -> Option<usize> {
        let slot = table.find(channel)?;
        self.cursor.channels.iter().position(|cursor| cursor.slot == slot)
    }

    /// Where it stands.
    pub(crate) fn seq(&self) -> Seq {
        self.cursor.position
    }

    /// Everything up to `seq` has been read, on all channels.
    pub(crate) fn skip_to(&mut self, seq: Seq) {
        self.cursor.skip_to(seq);
    }

    /// The goodbye that the hub asks for: reason, and milliseconds to stay away.
    pub(crate) fn close_request(&self) -> Option<(CloseReason, u32)> {
        self.waker.close_request()
    }

    /// Reads up to `portion` into `items`; whether that was everything.
    pub(crate) fn read(&mut self, limit: ReadLimit, items: &mut Vec<Item>) -> bool {
        let log = self.hub.log();
        let table = log.table.lock();
        self.cursor.read(&table, log.epoch(), Some(&self.identity), limit, items)
    }

    /// The channels that were asked for.
    pub(crate) fn channels(&self) -> Vec<ChannelName> {
        let table = self.hub.log().table.lock();
        let explicit = self.cursor.channels.iter().filter(|cursor| cursor.explicit);
        explicit.map(|cursor| table.slots[cursor.slot].name.clone()).collect()
    }

    /// Writes on its card which channels these are now.
    pub(crate) fn update_connection_info(&self) {
        self.waker.info.set_channels(self.channels());
    }

    /// The online counts of the channels that were asked for, with versions that grow with each change.
    pub(crate) fn online_counts(&self) -> Vec<(u64, OnlineChange)> {
        let table = self.hub.log().table.lock();
        let explicit = self.cursor.channels.iter().filter(|cursor| cursor.explicit);
        let count = |cursor: &ChannelCursor| {
            let channel = &table.slots[cursor.slot];
            let total = channel.roster.online().total;
            let change = OnlineChange {
                channel: channel.name.clone(),
                users: total.users,
                connections: total.connections,
            };
            (channel.roster.version(), change)
        };
        let shown = |cursor: &&ChannelCursor| table.slots[cursor.slot].rules.online;
        explicit.filter(shown).map(count).collect()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let left = self.hub.log().leave(self);
        self.hub.unregister(self.connection_index);
        for channel in &left {
            self.hub.engine().close_feed(channel);
        }
        let meters = self.hub.meters().for_wire(self.wire);
        meters.connections.decrement(1.0);
        meters.closed.increment(1);
    }
}

impl Join {
    /// A request for new messages of `channels` alone.
    pub fn new(
        channels: impl IntoIterator<Item = ChannelName>,
        identity: impl Into<Arc<Identity>>,
        wire: Wire,
    ) -> Self {
        Self {
            channels: channels.into_iter().collect(),
            identity: identity.into(),
            wire,
            start: Start::Latest,
            online_updates: false,
            include_user_channel: false,
        }
    }

    /// Sets the place in the log to begin at.
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets whether the reader is sent changes of the online counts.
    pub fn with_online_updates(mut self, online_updates: bool) -> Self {
        self.online_updates = online_updates;
        self
    }

    /// Sets whether the user's own channel is added. The caller has checked that the user may read
    /// it.
    pub fn with_user_channel(mut self, include_user_channel: bool) -> Self {
        self.include_user_channel = include_user_channel;
        self
    }

    /// The channels that were asked for, and after them the user's own.
    pub(crate) fn all_channels(&self) -> impl Iterator<Item = ChannelName> {
        let own = self
            .identity
            .user
            .as_ref()
            .filter(|_| self.include_user_channel)
            .map(ChannelName::of_user);
        let own = own.filter(|own| !self.channels.contains(own));
        self.channels.iter().cloned().chain(own)
    }
}

impl Log {
    /// Puts a reader into the log: from here on it is counted, woken, and misses nothing.
    fn join(&self, join: &Join, waker: &Arc<ReaderWaker>) -> Result<(Cursor, JoinInfo), JoinError> {
        let mut table = self.table.lock();
        join.start.check(self.epoch(), table.watermark)?;
        if !table.has_room_for(join.all_channels()) {
            return Err(TooManyChannels.into());
        }
        join.channels.iter().try_for_each(|channel| table.check_subscriber_limit(channel))?;
        let slots = table.pin_all(join.all_channels())?;
        let resolved = join.start.resolve(self.epoch(), &table, &slots);

        let (identity, wire) = (&*join.identity, join.wire);
        let member =
            Member { identity, wire, waker, shard: None, online_updates: join.online_updates };
        let mut cursors = Vec::with_capacity(slots.len());
        let mut waker_sets: Vec<Arc<WakerSet>> = Vec::new();
        for (index, slot) in slots.into_iter().enumerate() {
            let mut cursor =
                resolved.channel_cursor(index, slot, &table, index < join.channels.len());
            waker_sets.push(table.add_subscriber(&mut cursor, &member));
            cursors.push(cursor);
        }
        let id = self.id(resolved.position);
        let unknown = |name: ChannelName| Gap::unknown(id, name);
        let gaps = match resolved.foreign {
            true => join.all_channels().map(unknown).collect(),
            false => Vec::new(),
        };
        let users_of = |cursor: &ChannelCursor| {
            let channel = &table.slots[cursor.slot];
            Some((channel.name.clone(), channel.visible_users()?))
        };
        let join_info = JoinInfo {
            channels: join.channels.clone(),
            not_recovered: resolved.not_recovered,
            gaps,
            online: cursors.iter().filter(|cursor| cursor.explicit).filter_map(users_of).collect(),
            online_updates: join.online_updates,
        };
        // The log's own names: each connection keeps one, and need not keep a copy.
        let explicit = cursors.iter().filter(|cursor| cursor.explicit);
        waker.info.set_channels(explicit.map(|cursor| table.slots[cursor.slot].name.clone()));
        drop(table);
        waker_sets.iter().for_each(|wakers| wakers.wake_count_watchers());
        Ok((Cursor::new(resolved.position, cursors), join_info))
    }

    /// Takes a reader out; returns its channels.
    fn leave(&self, reader: &Subscription) -> Vec<ChannelName> {
        let member = reader.member(false);
        let cursors = &reader.cursor.channels;
        let mut table = self.table.lock();
        let left = cursors.iter().map(|cursor| table.slots[cursor.slot].name.clone()).collect();
        let waker_sets: Vec<_> =
            cursors.iter().filter_map(|cursor| table.remove_subscriber(cursor, &member)).collect();
        drop(table);
        waker_sets.iter().for_each(|wakers| wakers.wake_count_watchers());
        left
    }
}
