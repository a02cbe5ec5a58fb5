//! Which connections of a shard read which channel.

use std::collections::HashMap;

use slab::Slab;
use smallvec::SmallVec;

use crate::conn::Conn;

/// By the channel's slot in the log.
#[derive(Debug, Default)]
pub(crate) struct Desks(HashMap<usize, Desk>);

#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Keys of connections.
    pub(crate) members: Vec<u32>,
    /// A run of this channel is on its way, or may be: its readers are not all at the same place.
    pub(crate) busy: bool,
}

/// Where a connection stands among the members of one desk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    slot: u32,
    index: u32,
}

/// The seats of one connection.
pub(crate) type Seats = SmallVec<[Seat; 2]>;

impl Desks {
    pub(crate) fn get(&self, slot: usize) -> Option<&Desk> {
        self.0.get(&slot)
    }

    pub(crate) fn is_busy(&self, slot: usize) -> bool {
        self.get(slot).is_some_and(|desk| desk.busy)
    }

    /// Whether any other channel of a connection than `slot` is busy.
    pub(crate) fn is_busy_beside(&self, slot: usize, seats: &[Seat]) -> bool {
        seats.iter().any(|seat| seat.slot as usize != slot && self.is_busy(seat.slot as usize))
    }

    pub(crate) fn set_busy(&mut self, slot: usize, busy: bool) {
        let Some(desk) = self.0.get_mut(&slot) else { return };
        desk.busy = busy;
        if !busy && desk.members.is_empty() {
            self.0.remove(&slot);
        }
    }

    pub(crate) fn sit(&mut self, key: u32, slots: impl Iterator<Item = usize>) -> Seats {
        let seat = |slot| {
            let members = &mut self.0.entry(slot).or_default().members;
            members.push(key);
            Seat { slot: slot as u32, index: members.len() as u32 - 1 }
        };
        slots.map(seat).collect()
    }

    /// The last member moves into the gap, so that leaving costs the same in any crowd. A run that walks the
    /// members from the end may meet that one twice, and misses nobody.
    pub(crate) fn stand_up(&mut self, seats: &[Seat], conns: &mut Slab<Conn>) {
        for seat in seats {
            let Some(desk) = self.0.get_mut(&(seat.slot as usize)) else { continue };
            desk.members.swap_remove(seat.index as usize);
            let moved = desk.members.get(seat.index as usize).copied();
            if let Some(moved) = moved.and_then(|key| conns.get_mut(key as usize))
                && let Some(its) = moved.rest.seats.iter_mut().find(|its| its.slot == seat.slot)
            {
                its.index = seat.index;
            }
            if desk.members.len() * 4 < desk.members.capacity() {
                desk.members.shrink_to(desk.members.len() * 2);
            }
            if desk.members.is_empty() && !desk.busy {
                self.0.remove(&(seat.slot as usize));
            }
        }
    }
}
