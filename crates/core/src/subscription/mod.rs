//! A subscription: a cursor into the log, a waker, and a place in the online counts. Leaving is
//! dropping it.

pub(crate) mod change;
pub(crate) mod connections;
pub(crate) mod online_watch;

use std::{sync::Arc, task::Waker};

use crate::{
    ChangeError, ChannelName, CloseReason, EngineError, Gap, Identity, Join, JoinInfo, Kind,
    MessageId, NotRecovered, OnlineChange, Overloaded, Problem, ReadLimit, Seq, ShardId,
    ShardWaker, StreamEnd, SubscribeError, Subscribed, Wire,
    hub::Hub,
    log::{
        change::{Addition, ChangeLimits},
        cursor::Cursor,
        member::Member,
        portion_source::Older,
        read::{Item, Progress},
        start::LocatedChannels,
    },
    notify::waker::ReaderWaker,
};

/// The error of a reader that cannot join.
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
    /// The log refuses the reader.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Problem for JoinError {
    fn kind(&self) -> Kind {
        match self {
            JoinError::Draining => Kind::Draining,
            JoinError::Overloaded(error) => error.kind(),
            JoinError::TooManyConnections => Kind::TooManyConnections,
            JoinError::Subscribe(error) => error.kind(),
            JoinError::Engine(error) => error.kind(),
        }
    }
}

/// A reader's subscription to some channels.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    member: Member,
    cursor: Cursor,
    connection_index: usize,
    /// The end of the stream that was opened with it, as far as it is known; `None` without one.
    stream: Option<StreamEnd>,
}

impl Subscription {
    pub(crate) fn new(
        hub: Arc<Hub>,
        join: Join,
        located: &LocatedChannels,
        waker: Arc<ReaderWaker>,
        connection_index: usize,
    ) -> Result<(Self, JoinInfo), JoinError> {
        let member = Member::new(join.identity.clone(), join.wire, waker);
        let (cursor, join_info) = hub.log().join(&join, located, &member)?;
        Ok((Self { hub, member, cursor, connection_index, stream: None }, join_info))
    }

    /// Counts the stream that begins now, until the subscription is dropped.
    pub(crate) fn open_stream(&mut self, not_recovered: Option<NotRecovered>) {
        self.stream = Some(StreamEnd::Left);
        let meters = self.hub.meters().for_wire(self.wire());
        meters.connections.increment(1.0);
        meters.opened.increment(1);
        match not_recovered {
            None => meters.resumed.increment(1),
            Some(NotRecovered::Fresh) => {}
            Some(_) => meters.not_resumed.increment(1),
        }
    }

    /// Sets the end with which the stream is counted.
    pub(crate) fn set_stream_end(&mut self, end: StreamEnd) {
        self.stream = Some(end);
    }

    /// Returns the identity of the reader.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.member.identity
    }

    /// Returns the hub that it reads from.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Returns the wire that it reads on.
    pub fn wire(&self) -> Wire {
        self.member.wire
    }

    /// Returns the cursor: everything up to it has been read.
    pub fn position(&self) -> MessageId {
        self.hub.log().id(self.cursor.position)
    }

    /// Returns the seq of the cursor.
    pub(crate) fn seq(&self) -> Seq {
        self.cursor.position
    }

    /// Whether every channel that the reader asked for has ended.
    pub fn has_ended(&self) -> bool {
        self.cursor.has_ended()
    }

    /// Whether some of its channels have ended.
    pub(crate) fn has_ended_channel(&self) -> bool {
        self.cursor.has_ended_channel()
    }

    /// Sets the task that is woken when there is more to read; call it before reading.
    pub fn register(&self, waker: &Waker) {
        self.member.waker.register(waker);
    }

    /// Sets the shard that is woken for this reader, and the reader's key there; call it before
    /// reading.
    pub(crate) fn register_shard(&self, waker: &Arc<dyn ShardWaker>, key: u32) {
        self.member.waker.register_shard(waker, key);
    }

    /// Attaches this reader to `shard`, which from here on is woken for new messages, once for all
    /// its readers. The reader itself is woken only to close and, if it asked for them, for online
    /// counts. Messages until now are still to be read.
    pub(crate) fn attach_to_shard(&mut self, shard: ShardId, online_updates: bool) {
        let Self { hub, cursor, member, .. } = self;
        hub.log().attach_to_shard(cursor, member, shard, online_updates);
    }

    /// Returns the slots of its channels.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = usize> {
        self.cursor.channels.iter().map(|cursor| cursor.slot)
    }

    /// Moves the cursor to `seq`, on all channels.
    pub(crate) fn skip_to(&mut self, seq: Seq) {
        self.cursor.skip_to(seq);
    }

    /// Returns the close that was requested: its reason, and the client's retry delay in
    /// milliseconds.
    pub(crate) fn close_request(&self) -> Option<(CloseReason, u32)> {
        self.member.waker.close_request()
    }

    /// Reads up to `limit` into `items`.
    pub(crate) fn read(
        &mut self,
        limit: ReadLimit,
        older: Option<Older<'_>>,
        items: &mut Vec<Item>,
    ) -> Progress {
        self.hub.log().read(&mut self.cursor, &self.member.identity, limit, older, items)
    }

    /// Returns a waker of this reader, for what it waits for beside messages.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.member.waker.clone())
    }

    /// Returns the channels that the reader asked for.
    pub(crate) fn channels(&self) -> Vec<ChannelName> {
        self.hub.log().channel_names(&self.cursor)
    }

    /// Returns the online counts of the channels that the reader asked for, with versions that
    /// grow with each change.
    pub(crate) fn online_counts(&self) -> Vec<(u64, OnlineChange)> {
        self.hub.log().online_counts(&self.cursor)
    }

    pub(crate) fn add_channel(
        &mut self,
        addition: Addition,
        limits: ChangeLimits,
    ) -> Result<(Subscribed, Option<Gap>), ChangeError> {
        let log = self.hub.log();
        let added = log.add_channel(&mut self.cursor, &self.member, addition, limits)?;
        self.update_connection_info();
        Ok(added)
    }

    pub(crate) fn remove_channel(&mut self, channel: &ChannelName) -> Result<(), ChangeError> {
        self.hub.log().remove_channel(&mut self.cursor, &self.member, channel)?;
        self.update_connection_info();
        Ok(())
    }

    /// Updates the channels in the list of connections.
    fn update_connection_info(&self) {
        self.member.waker.info.set_channels(self.channels());
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.log().leave(&self.cursor, &self.member);
        self.hub.unregister(self.connection_index);
        if let Some(end) = self.stream {
            let meters = self.hub.meters().for_wire(self.wire());
            meters.connections.decrement(1.0);
            meters.count_closed(end);
        }
    }
}
