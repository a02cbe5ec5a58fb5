//! A reader's seat in one channel: counted, woken, and at its shard's desk. Taken and given up in one place.

use std::sync::Arc;

use crate::{
    Identity, Wire,
    log::{cursor::Tap, table::Table},
    notify::{
        shard::ShardId,
        waker::{Belfry, Bell, Calls},
    },
    presence::Note,
};

/// Who takes a seat.
pub(crate) struct Sitter<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) wire: Wire,
    pub(crate) bell: &'a Arc<Bell>,
    /// The shard that brings the news; without one the bell does.
    pub(crate) shard: Option<ShardId>,
    /// It is told changes of the online count.
    pub(crate) online: bool,
}

impl Table {
    /// Seats a reader in a channel that is pinned, and undoes the pin. The count's watchers in the belfry are to
    /// be rung once the lock is free.
    pub(crate) fn let_in(&mut self, tap: &mut Tap, sitter: &Sitter<'_>) -> Arc<Belfry> {
        let channel = &mut self.slots[tap.slot];
        let belfry = channel.belfry.clone();
        if channel.roster.online().total.connections == 0 {
            self.heard += 1;
            self.attendance.iter().for_each(|attendance| attendance.online(&channel.name));
        }
        let first = channel.roster.join(sitter.identity.persona(), sitter.wire);
        self.seats[channel.rules.namespace][sitter.wire.index()] += 1;
        if let Some(presence) = &mut channel.presence {
            let who = presence.arrive(sitter.identity, first);
            self.notes.extend(who.map(|who| Note::came(&channel.name, who)));
        }
        let calls = Calls { messages: sitter.shard.is_none(), online: sitter.online && tap.asked };
        if calls.messages || calls.online {
            tap.place = belfry.hang(sitter.bell, calls);
        }
        if let Some(shard) = sitter.shard {
            self.sit_down(tap.slot, shard);
        }
        self.unpin(tap.slot);
        belfry
    }

    /// Takes a reader's seat back; gives the belfry whose watchers are to be rung once the lock is free, if
    /// somebody is left.
    pub(crate) fn let_out(&mut self, tap: &Tap, sitter: &Sitter<'_>) -> Option<Arc<Belfry>> {
        let channel = &mut self.slots[tap.slot];
        channel.belfry.take_down(tap.place);
        let last = channel.roster.leave(&sitter.identity.persona(), sitter.wire);
        self.seats[channel.rules.namespace][sitter.wire.index()] -= 1;
        if let Some(presence) = &mut channel.presence
            && last
        {
            let who = presence.depart(sitter.identity);
            self.notes.extend([Note::went(&channel.name, who)]);
        }
        let left = channel.roster.online().total.connections > 0;
        let belfry = left.then(|| channel.belfry.clone());
        if !left {
            self.heard -= 1;
            self.attendance.iter().for_each(|attendance| attendance.gone(&channel.name));
        }
        if let Some(shard) = sitter.shard {
            self.stand_up(tap.slot, shard);
        }
        self.forget_if_idle(tap.slot);
        belfry
    }
}
