//! Ends connections.

use std::{io, time::Duration};

use socket2::SockRef;
use tricast_core::{CloseReason, Ending};

use crate::{conn::ConnState, shard::Shard, timers::NEVER};

/// How long a peer may take to hear the end of its stream and hang up.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

impl Shard {
    /// The stream is over: its reader leaves, and its end joins what waits.
    pub(crate) fn end_stream(&mut self, key: u32, reason: CloseReason) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.state = ConnState::Closing;
        let Some(session) = conn.cold.session.take() else { return };
        match session.format().ending(reason) {
            Ending::Send(bytes) => {
                session.meters().sent_bytes.increment(bytes.len() as u64);
                conn.cold.write_queue.push(bytes);
            }
            Ending::Close => {}
            Ending::Reset => conn.cold.reset_on_close = true,
        }
        conn.cold.stalled_since = self.timers.millis(self.now);
        let indices = std::mem::take(&mut conn.cold.indices);
        self.subscribers.remove(&indices, &mut self.conns);
    }

    /// Everything has been said. The peer has a moment to hear it: to close a socket with unread bytes
    /// would reset the connection, and the end could be lost with it.
    pub(crate) fn finish_closing(&mut self, key: u32) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(()) };
        if conn.cold.reset_on_close {
            SockRef::from(&conn.socket).set_linger(Some(Duration::ZERO))?;
            self.close(key);
            return Ok(());
        }
        // A peer with a voice answers the end itself.
        if conn.cold.inbound.is_none() {
            conn.shutdown_write()?;
        }
        if conn.cold.stalled_since == NEVER {
            conn.cold.stalled_since = self.timers.millis(self.now);
        }
        let since = self.timers.instant(conn.cold.stalled_since);
        self.set_timer(key, since + CLOSE_GRACE);
        Ok(())
    }

    pub(crate) fn on_timer(&mut self, millis: u64, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize).filter(|c| c.cold.timer_due == millis)
        else {
            return;
        };
        conn.cold.timer_due = NEVER;
        // With nothing left to say, only its own end is waited for.
        let stalled = !conn.cold.write_queue.is_empty();
        let timeout = if stalled { self.config.stall_timeout } else { CLOSE_GRACE };
        if conn.cold.stalled_since == NEVER {
            return self.drive_writes(key);
        }
        let end = self.timers.instant(conn.cold.stalled_since) + timeout;
        if end > self.now {
            return self.set_timer(key, end);
        }
        if stalled {
            self.config.stalled.increment(1);
        }
        self.close(key);
    }

    /// The connection broke.
    pub(crate) fn on_io_error(&mut self, key: u32, error: &io::Error) {
        // The kernel has waited for the peer as long as we would have (TCP_USER_TIMEOUT).
        if error.kind() == io::ErrorKind::TimedOut {
            self.config.stalled.increment(1);
        }
        self.close(key);
    }

    /// The connection is gone, or shall be.
    pub(crate) fn close(&mut self, key: u32) {
        let Some(conn) = self.conns.try_remove(key as usize) else { return };
        self.subscribers.remove(&conn.cold.indices, &mut self.conns);
        drop(conn);
        if self.conns.is_empty() {
            self.conns.shrink_to_fit();
        }
    }
}
