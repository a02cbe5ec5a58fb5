//! The connections of a shard, by key.

use std::{
    io,
    ops::{Index, IndexMut},
};

use mio::Token;
use slab::Slab;

use crate::conn::Conn;

/// Names a connection of a shard.
///
/// The slab gives the index of a closed connection to a later one. The generation differs, so a key
/// that outlives its connection finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnKey {
    index: u32,
    generation: Generation,
}

/// Counts the connections of a shard from its start; wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Generation(u32);

impl ConnKey {
    /// The index alone, by which the log knows the connection.
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// The index as epoll's token.
    pub(crate) fn token(self) -> Token {
        Token(self.index as usize)
    }

    pub(crate) fn generation(self) -> Generation {
        self.generation
    }
}

#[derive(Debug, Default)]
pub(crate) struct Conns {
    slab: Slab<Conn>,
    last_generation: Generation,
}

impl Conns {
    pub(crate) fn get(&self, key: ConnKey) -> Option<&Conn> {
        self.slab.get(key.index as usize).filter(|conn| conn.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.slab.get_mut(key.index as usize).filter(|conn| conn.generation == key.generation)
    }

    /// Returns the key of the connection that is now at `index`, which is all that epoll and the
    /// log know of it.
    pub(crate) fn key_at(&self, index: usize) -> Option<ConnKey> {
        let generation = self.slab.get(index)?.generation;
        Some(ConnKey { index: index as u32, generation })
    }

    /// Adds the connection that `open` makes for its key.
    ///
    /// # Errors
    /// As `open`; then nothing is added.
    pub(crate) fn insert_with(
        &mut self,
        open: impl FnOnce(ConnKey) -> io::Result<Conn>,
    ) -> io::Result<ConnKey> {
        self.last_generation.0 = self.last_generation.0.wrapping_add(1);
        let entry = self.slab.vacant_entry();
        let key = ConnKey { index: entry.key() as u32, generation: self.last_generation };
        entry.insert(open(key)?);
        Ok(key)
    }

    pub(crate) fn remove(&mut self, key: ConnKey) -> Option<Conn> {
        self.get(key)?;
        self.slab.try_remove(key.index as usize)
    }

    /// Gives back the memory of a crowd that has left.
    pub(crate) fn shrink_if_empty(&mut self) {
        if self.slab.is_empty() {
            self.slab.shrink_to_fit();
        }
    }
}

/// For keys that were just looked up.
impl Index<ConnKey> for Conns {
    type Output = Conn;

    fn index(&self, key: ConnKey) -> &Conn {
        self.get(key).expect("the connection is open")
    }
}

impl IndexMut<ConnKey> for Conns {
    fn index_mut(&mut self, key: ConnKey) -> &mut Conn {
        self.get_mut(key).expect("the connection is open")
    }
}
