//! A subscription: a cursor into the log, a bell, and a place in the online counts.
//! Leaving is dropping it.

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use crate::{
    ChannelName, CloseReason, Gap, Identity, MessageId, NotRecovered, OnlineChange, Seq, Start,
    TooManyChannels, Wire,
    bell::{Belfry, Bell, Calls},
    cursor::{Cursor, Item, Portion, Tap},
    desk::{Doorbell, ShardId},
    hub::Hub,
    log::Log,
    start::AheadOfLog,
};

/// What a reader asks for.
#[derive(Clone, Debug)]
pub struct Join {
    /// At least one; each once.
    pub channels: Vec<ChannelName>,
    /// Who reads.
    pub identity: Identity,
    /// How.
    pub wire: Wire,
    /// Where to begin.
    pub start: Start,
    /// Whether to tell changes of the online count.
    pub online: bool,
}

/// A reader cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The gateway is going down.
    #[error("the gateway is going down; come back in a moment")]
    Draining,
    /// As many connections as limits.connections allows.
    #[error("the gateway has as many subscribers as limits.connections allows; come back later")]
    TooManyConnections,
    /// As many channels as limits.channels allows.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
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
    /// The newest message at that moment.
    pub head: MessageId,
}

/// A cursor into the log.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    identity: Identity,
    wire: Wire,
    cursor: Cursor,
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
    pub fn identity(&self) -> &Identity {
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
        asked.map(count).collect()
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
        let own = self.identity.user.as_ref().map(ChannelName::of_user);
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
        let slots = table.pin_all(join.all_channels())?;
        let begin = join.start.begin(self.epoch(), &table, &slots);

        let persona = join.identity.persona();
        let resumes = matches!(join.start, Start::After(_)) && !begin.foreign;
        let mut taps = Vec::with_capacity(slots.len());
        let mut crowd: Vec<Arc<Belfry>> = Vec::new();
        for (index, (slot, position)) in slots.into_iter().zip(begin.positions).enumerate() {
            let asked = index < join.channels.len();
            let channel = &mut table.slots[slot];
            let mut tap = Tap::new(slot, position, asked);
            tap.ended = resumes && channel.ended_by(position);
            crowd.push(channel.belfry.clone());
            let first = channel.roster.online().total.connections == 0;
            channel.roster.join(persona.clone(), join.wire);
            let calls = Calls { messages: true, online: join.online && asked };
            tap.place = channel.belfry.hang(bell, calls);
            taps.push(tap);
            table.heard += usize::from(first);
            table.unpin(slot);
        }
        let id = self.id(begin.cursor);
        let unknown = |name: ChannelName| Gap::unknown(id, name);
        let gaps = match begin.foreign {
            true => join.all_channels().map(unknown).collect(),
            false => Vec::new(),
        };
        let users_of = |tap: &Tap| {
            let channel = &table.slots[tap.slot];
            (channel.name.clone(), channel.roster.online().total.users)
        };
        let welcome = Welcome {
            channels: join.channels.clone(),
            not_recovered: begin.not_recovered,
            gaps,
            online: taps.iter().filter(|tap| tap.asked).map(users_of).collect(),
            head: self.id(table.watermark),
        };
        drop(table);
        crowd.iter().for_each(|belfry| belfry.ring_watchers());
        Ok((Cursor::new(begin.cursor, taps, welcome.head.seq), welcome))
    }

    /// Takes a reader out; returns its channels.
    fn leave(&self, reader: &Subscription) -> Vec<ChannelName> {
        let Subscription { cursor, identity, wire, shard, .. } = reader;
        let persona = identity.persona();
        let mut left = Vec::with_capacity(cursor.taps.len());
        let mut crowd: Vec<Arc<Belfry>> = Vec::new();
        let mut table = self.table.lock();
        for tap in &cursor.taps {
            let channel = &mut table.slots[tap.slot];
            channel.belfry.take_down(tap.place);
            channel.roster.leave(&persona, *wire);
            left.push(channel.name.clone());
            match channel.roster.online().total.connections {
                0 => table.heard -= 1,
                _ => crowd.push(channel.belfry.clone()),
            }
            shard.iter().for_each(|shard| table.stand_up(tap.slot, *shard));
            table.forget_if_idle(tap.slot);
        }
        drop(table);
        crowd.iter().for_each(|belfry| belfry.ring_watchers());
        left
    }
}
