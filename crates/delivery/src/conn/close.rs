//! Ends streams and closes connections.

use std::{io, time::Duration};

use socket2::SockRef;
use tricast_core::{CloseReason, Ending, StreamEnd};

use crate::{
    conn::{ConnState, Written},
    conns::ConnKey,
    shard::Shard,
    timers::{Millis, NEVER},
};

/// Time that a peer has to receive the end of its stream and close its side.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

impl Shard {
    /// Ends a stream: its reader leaves the channels, and the wire's own end joins the queue.
    pub(crate) fn end_stream(&mut self, key: ConnKey, reason: CloseReason) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.state = ConnState::Closing;
        let Some(mut session) = conn.cold.session.take() else { return };
        session.record_end(StreamEnd::Closed(reason));
        match session.format().ending(reason) {
            Ending::Send(bytes) => {
                session.meters().sent_bytes.increment(bytes.len() as u64);
                conn.cold.write_queue.push(bytes);
            }
            Ending::Close => {}
            Ending::Reset => conn.cold.reset_on_close = true,
        }
        conn.cold.stalled_since = self.timers.millis(self.now);
        let replies = conn.cold.replies.take();
        let indices = std::mem::take(&mut conn.cold.indices);
        self.subscribers.remove(&indices, &mut self.conns);
        self.abandon_replies(replies);
    }

    /// Waits for the peer to close, now that everything has been written. To close a socket with
    /// unread bytes would reset the connection, and the end of the stream could be lost with it.
    pub(crate) fn finish_closing(&mut self, key: ConnKey) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(()) };
        if conn.cold.reset_on_close {
            SockRef::from(&conn.socket).set_linger(Some(Duration::ZERO))?;
            self.close(key);
            return Ok(());
        }
        // A peer whose frames are read answers the end itself.
        if conn.cold.inbound.is_none() {
            conn.shutdown_write()?;
        }
        if conn.cold.stalled_since == NEVER {
            conn.cold.stalled_since = self.timers.millis(self.now);
        }
        let since = self.timers.instant(conn.cold.stalled_since);
        self.timers.arm(&mut conn.cold.timer_due, key, since + CLOSE_GRACE);
        Ok(())
    }

    /// Handles a timer entry. It may be out of date, for a connection whose timer was set again.
    pub(crate) fn on_timer(&mut self, millis: Millis, key: ConnKey) {
        let conn = self.conns.get_mut(key).filter(|conn| conn.cold.timer_due == millis);
        let Some(conn) = conn else { return };
        conn.cold.timer_due = NEVER;
        if conn.cold.stalled_since == NEVER {
            return self.drive_writes(key);
        }
        // With an empty queue it is only the peer's own end that is still to come.
        let stalled = !conn.cold.write_queue.is_empty();
        let timeout = if stalled { self.config.stall_timeout } else { CLOSE_GRACE };
        let end = self.timers.instant(conn.cold.stalled_since) + timeout;
        if end > self.now {
            return self.timers.arm(&mut conn.cold.timer_due, key, end);
        }
        if stalled {
            // The socket may take more by now, and its event wait for its turn: after a stop of the
            // process, those of all connections do.
            match conn.flush(millis) {
                Ok(Written::Nothing) => self.config.stalled.increment(1),
                Ok(Written::Some | Written::All) => return self.drive_writes(key),
                Err(error) => return self.on_io_error(key, &error),
            }
        }
        self.close_with(key, StreamEnd::Stalled);
    }

    /// Closes a connection whose socket has failed.
    pub(crate) fn on_io_error(&mut self, key: ConnKey, error: &io::Error) {
        let end = StreamEnd::of_error(error.kind());
        if end == StreamEnd::Stalled {
            self.config.stalled.increment(1);
        }
        self.close_with(key, end);
    }

    /// Closes a connection. If its stream is still open, `end` is how it ended.
    fn close_with(&mut self, key: ConnKey, end: StreamEnd) {
        if let Some(session) = self.conns.get_mut(key).and_then(|conn| conn.cold.session.as_mut()) {
            session.record_end(end);
        }
        self.close(key);
    }

    /// Closes a connection and removes every trace of it.
    pub(crate) fn close(&mut self, key: ConnKey) {
        let Some(mut conn) = self.conns.remove(key) else { return };
        self.subscribers.remove(&conn.cold.indices, &mut self.conns);
        self.abandon_replies(conn.cold.replies.take());
        drop(conn);
        self.conns.shrink_if_empty();
    }
}
