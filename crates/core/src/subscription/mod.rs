//! A subscription: a cursor into the log, a bell, and a place in the online counts.
//! Leaving is dropping it.

pub(crate) mod change;
pub(crate) mod connections;
pub(crate) mod counts;
pub(crate) mod member;
pub(crate) mod online_watch;

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use crate::{
    ChannelName, CloseReason, Gap, Identity, MessageId, NotRecovered, OnlineChange, Overloaded,
    Seq, Start, TooManyChannels, Wire,
    hub::Hub,
    log::{
        Log,
        cursor::{Cursor, Item, Portion, Tap},
        start::AheadOfLog,
        table::{ChannelFull, Table},
    },
    notify::{
        shard::{Doorbell, ShardId},
        waker::{Belfry, Bell, Calls},
    },
    subscription::member::Sitter,
};

/// What a reader asks for.
#[derive(Clone, Debug)]
pub struct Join {
    /// At least one; each once.
    pub channels: Vec<ChannelName>,
    /// Who reads.
    pub identity: Arc<Identity>,
    /// How.
    pub wire: Wire,
    /// Where to begin.
    pub start: Start,
    /// Whether to tell changes of the online count.
    pub online: bool,
    /// Whether the user's own channel comes along.
    pub own: bool,
}

/// A reader cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The gateway is going down.
    #[error("the gateway is going down; come back in a moment")]
    Draining,
    /// More is under way than can be delivered in time.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// As many connections as limits.connections allows.
    #[error("the gateway has as many subscribers as limits.connections allows; come back later")]
    TooManyConnections,
    /// As many channels as limits.channels allows.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// As many subscribers as the channel may have.
    #[error(transparent)]
    ChannelFull(#[from] ChannelFull),
    /// The resume point cannot have come from here.
    #[error(transparent)]
    AheadOfLog(#[from] AheadOfLog),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] crate::EngineError),
}

/// What a reader finds when it joins.
#[derive(Debug)]
pub struct Welcome {
    /// The channels that were asked for.
    pub channels: Vec<ChannelName>,
    /// Why the reader does not go on where it left off; `None` when it does.
    pub not_recovered: Option<NotRecovered>,
    /// Losses of unknown extent, after a change of epoch.
    pub gaps: Vec<Gap>,
    /// Online users of each channel, this reader included.
    pub online: BTreeMap<ChannelName, u32>,
}

/// A cursor into the log.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    identity: Arc<Identity>,
    wire: Wire,
    pub(crate) cursor: Cursor,
    bell: Arc<Bell>,
    registered: usize,
    /// The shard that brings the news; without one the bell does.
    shard: Option<ShardId>,
}

impl Subscription {
    pub(crate) fn new(
        hub: Arc<Hub>,
        join: Join,
        bell: Arc<Bell>,
        registered: usize,
    ) -> Result<(Self, Welcome), JoinError> {
        let (cursor, welcome) = hub.log().join(&join, &bell)?;
        let Join { identity, wire, .. } = join;
        let meters = hub.meters().of(wire);
        meters.connections.increment(1.0);
        meters.opened.increment(1);
        match welcome.not_recovered {
            None => meters.resumed.increment(1),
            Some(NotRecovered::Fresh) => {}
            Some(_) => meters.not_resumed.increment(1),
        }
        let shard = None;
        Ok((Self { hub, identity, wire, cursor, bell, registered, shard }, welcome))
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
        self.bell.register(waker);
    }

    /// Sets which shard's reader is called by the bell; call it before reading.
    pub(crate) fn register_at(&self, doorbell: &Arc<dyn Doorbell>, key: u32) {
        self.bell.register_at(doorbell, key);
    }

    /// From here on `shard` is told of news, once for all its readers; the bell rings only for
    /// goodbyes and, if asked for, online counts. What came until now is still to be read.
    pub(crate) fn move_to(&mut self, shard: ShardId, online: bool) {
        let mut table = self.hub.log().table.lock();
        for tap in &mut self.cursor.taps {
            let belfry = &table.slots[tap.slot].belfry;
            belfry.take_down(std::mem::replace(&mut tap.place, u64::MAX));
            if online && tap.asked {
                tap.place = belfry.hang(&self.bell, Calls { messages: false, online });
            }
            table.sit_down(tap.slot, shard);
        }
        drop(table);
        self.shard = Some(shard);
    }

    /// The slots of its channels.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = usize> {
        self.cursor.taps.iter().map(|tap| tap.slot)
    }

    /// Whether some of its channels have ended.
    pub(crate) fn has_partly_ended(&self) -> bool {
        self.cursor.has_partly_ended()
    }

    /// How it sits in its channels.
    pub(crate) fn sitter(&self, online: bool) -> Sitter<'_> {
        let (identity, wire) = (&*self.identity, self.wire);
        Sitter { identity, wire, bell: &self.bell, shard: self.shard, online }
    }

    /// Which of its taps is `channel`'s.
    pub(crate) fn tap_of(&self, table: &Table, channel: &ChannelName) -> Option<usize> {
        let slot = table.find(channel)?;
        self.cursor.taps.iter().position(|tap| tap.slot == slot)
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
    pub(crate) fn closing(&self) -> Option<(CloseReason, u32)> {
        self.bell.closing()
    }

    /// Reads up to `portion` into `items`; whether that was everything.
    pub(crate) fn read(&mut self, portion: Portion, items: &mut Vec<Item>) -> bool {
        let log = self.hub.log();
        let table = log.table.lock();
        self.cursor.read(&table, log.epoch(), Some(&self.identity), portion, items)
    }

    /// The channels that were asked for.
    pub(crate) fn channels(&self) -> Vec<ChannelName> {
        let table = self.hub.log().table.lock();
        let asked = self.cursor.taps.iter().filter(|tap| tap.asked);
        asked.map(|tap| table.slots[tap.slot].name.clone()).collect()
    }

    /// Writes on its card which channels these are now.
    pub(crate) fn tell_place(&self) {
        self.bell.card.set_channels(self.channels());
    }

    /// The online counts of the channels that were asked for, with versions that grow with each change.
    pub(crate) fn online(&self) -> Vec<(u64, OnlineChange)> {
        let table = self.hub.log().table.lock();
        let asked = self.cursor.taps.iter().filter(|tap| tap.asked);
        let count = |tap: &Tap| {
            let channel = &table.slots[tap.slot];
            let total = channel.roster.online().total;
            let change = OnlineChange {
                channel: channel.name.clone(),
                users: total.users,
                connections: total.connections,
            };
            (channel.roster.version(), change)
        };
        let shown = |tap: &&Tap| table.slots[tap.slot].rules.online;
        asked.filter(shown).map(count).collect()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let left = self.hub.log().leave(self);
        self.hub.unregister(self.registered);
        for channel in &left {
            self.hub.engine().unlisten(channel);
        }
        let meters = self.hub.meters().of(self.wire);
        meters.connections.decrement(1.0);
        meters.closed.increment(1);
    }
}

impl Join {
    /// The channels that were asked for, and after them the user's own.
    pub(crate) fn all_channels(&self) -> impl Iterator<Item = ChannelName> {
        let own = self.identity.user.as_ref().filter(|_| self.own).map(ChannelName::of_user);
        let own = own.filter(|own| !self.channels.contains(own));
        self.channels.iter().cloned().chain(own)
    }
}

impl Log {
    /// Puts a reader into the log: from here on it is counted, woken, and misses nothing.
    fn join(&self, join: &Join, bell: &Arc<Bell>) -> Result<(Cursor, Welcome), JoinError> {
        let mut table = self.table.lock();
        join.start.check(self.epoch(), table.watermark)?;
        if !table.has_room_for(join.all_channels()) {
            return Err(TooManyChannels.into());
        }
        join.channels.iter().try_for_each(|channel| table.check_crowd(channel))?;
        let slots = table.pin_all(join.all_channels())?;
        let begin = join.start.begin(self.epoch(), &table, &slots);

        let (identity, wire) = (&*join.identity, join.wire);
        let sitter = Sitter { identity, wire, bell, shard: None, online: join.online };
        let mut taps = Vec::with_capacity(slots.len());
        let mut crowd: Vec<Arc<Belfry>> = Vec::new();
        for (index, slot) in slots.into_iter().enumerate() {
            let mut tap = begin.tap(index, slot, &table, index < join.channels.len());
            crowd.push(table.let_in(&mut tap, &sitter));
            taps.push(tap);
        }
        let id = self.id(begin.cursor);
        let unknown = |name: ChannelName| Gap::unknown(id, name);
        let gaps = match begin.foreign {
            true => join.all_channels().map(unknown).collect(),
            false => Vec::new(),
        };
        let users_of = |tap: &Tap| {
            let channel = &table.slots[tap.slot];
            Some((channel.name.clone(), channel.users()?))
        };
        let welcome = Welcome {
            channels: join.channels.clone(),
            not_recovered: begin.not_recovered,
            gaps,
            online: taps.iter().filter(|tap| tap.asked).filter_map(users_of).collect(),
        };
        // The log's own names: each connection keeps one, and need not keep a copy.
        let asked = taps.iter().filter(|tap| tap.asked);
        bell.card.set_channels(asked.map(|tap| table.slots[tap.slot].name.clone()));
        drop(table);
        crowd.iter().for_each(|belfry| belfry.ring_watchers());
        Ok((Cursor::new(begin.cursor, taps), welcome))
    }

    /// Takes a reader out; returns its channels.
    fn leave(&self, reader: &Subscription) -> Vec<ChannelName> {
        let sitter = reader.sitter(false);
        let taps = &reader.cursor.taps;
        let mut table = self.table.lock();
        let left = taps.iter().map(|tap| table.slots[tap.slot].name.clone()).collect();
        let crowd: Vec<_> = taps.iter().filter_map(|tap| table.let_out(tap, &sitter)).collect();
        drop(table);
        crowd.iter().for_each(|belfry| belfry.ring_watchers());
        left
    }
}
