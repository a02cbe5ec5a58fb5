//! The event loop's queue of connections that have more to read or write.

use std::collections::VecDeque;

use crate::{conn::Conn, conns::ConnKey};

#[derive(Debug, Default)]
pub(crate) struct Turns(VecDeque<ConnKey>);

impl Turns {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Queues a connection after the others, unless it is queued already.
    pub(crate) fn push(&mut self, key: ConnKey, conn: &mut Conn) {
        if !std::mem::replace(&mut conn.turn_queued, true) {
            self.0.push_back(key);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<ConnKey> {
        self.0.pop_front()
    }
}
