//! The online counts of one channel: connections and distinct users, in total and per wire.

use std::collections::HashMap;

use crate::{OnlineKey, PerWire, Wire};

/// Connections and users, as `/online` shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// Distinct users; a client without a user counts as one.
    pub users: u32,
    /// Connections.
    pub connections: u32,
}

/// The online counts of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnlineCounts {
    /// In total; a user on two wires is one.
    pub total: Count,
    /// On each wire.
    pub wires: PerWire<Count>,
}

/// The connections of one channel, by online key.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    connections: HashMap<OnlineKey, PerWire<u32>>,
    online: OnlineCounts,
    /// A version that increases with each change.
    version: u64,
}

/// The position of a connection that has joined, among those of its online key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    First,
    Further,
}

/// The position of a connection that has left, among those of its online key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Last,
    /// Other connections remain.
    Others,
}

impl Roster {
    pub(crate) fn online(&self) -> OnlineCounts {
        self.online
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Counts a connection of `key`.
    pub(crate) fn join(&mut self, key: OnlineKey, wire: Wire) -> Joined {
        let counts = self.connections.entry(key).or_default();
        let first = *counts == PerWire::default();
        let first_on_wire = counts[wire] == 0;
        counts[wire] += 1;
        self.count(wire, 1, first_on_wire);
        if first { Joined::First } else { Joined::Further }
    }

    /// Removes a connection of `key` from the counts.
    pub(crate) fn leave(&mut self, key: &OnlineKey, wire: Wire) -> Left {
        let Some(counts) = self.connections.get_mut(key) else {
            return Left::Others;
        };
        counts[wire] -= 1;
        let last_on_wire = counts[wire] == 0;
        let last = *counts == PerWire::default();
        if last {
            self.connections.remove(key);
        }
        if self.connections.len() * 4 < self.connections.capacity() {
            self.connections.shrink_to_fit();
        }
        self.count(wire, -1, last_on_wire);
        if last { Left::Last } else { Left::Others }
    }

    fn count(&mut self, wire: Wire, by: i32, user_changed: bool) {
        let of_wire = &mut self.online.wires[wire];
        of_wire.connections = of_wire.connections.saturating_add_signed(by);
        if user_changed {
            of_wire.users = of_wire.users.saturating_add_signed(by);
        }
        self.online.total.connections = self.online.total.connections.saturating_add_signed(by);
        self.online.total.users = self.connections.len() as u32;
        self.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientId;

    #[test]
    fn a_user_on_two_wires_counts_as_one_and_so_does_a_client_without_a_user() {
        let mut roster = Roster::default();
        let alice = OnlineKey::User("alice".parse().expect("a user"));
        let anonymous = OnlineKey::Client(ClientId::issue());
        roster.join(alice.clone(), Wire::Sse);
        roster.join(alice.clone(), Wire::Ws);
        roster.join(alice.clone(), Wire::Ws);
        roster.join(anonymous.clone(), Wire::Ws);
        assert_eq!(roster.online().total, Count { users: 2, connections: 4 });
        assert_eq!(roster.online().wires[Wire::Ws], Count { users: 2, connections: 3 });
        for (key, wire) in
            [(&alice, Wire::Sse), (&alice, Wire::Ws), (&anonymous, Wire::Ws), (&alice, Wire::Ws)]
        {
            roster.leave(key, wire);
        }
        assert_eq!(roster.online(), OnlineCounts::default());
        assert!(roster.connections.is_empty());
    }
}
