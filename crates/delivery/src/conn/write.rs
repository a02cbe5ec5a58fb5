//! The slow path of delivery: one connection at a time reads the log and writes what is due.

use std::io;

use mio::event::Event;
use tricast_core::Step;

use crate::{
    conn::{Conn, ConnState, Written},
    conns::ConnKey,
    shard::Shard,
};

/// A reader that was sent so few frames has probably caught up.
const CAUGHT_UP_FRAMES: usize = 4;

/// The next move of a connection.
pub(crate) enum Next {
    /// Go on: there may be more.
    Again,
    /// Wait for an event, a timer or its turn.
    Wait,
}

impl Shard {
    /// Queues a turn for a connection whose socket takes more or has bytes to read. A whole crowd
    /// may do so at once, each with much to catch up with or to have answered.
    pub(crate) fn on_event(&mut self, event: &Event) {
        let Some(key) = self.conns.key_at(event.token().0) else { return };
        let Some(conn) = self.conns.get_mut(key) else { return };
        let closed = event.is_read_closed() || event.is_error();
        conn.cold.peer_closed |= closed;
        if event.is_readable() || closed || !conn.cold.write_queue.is_empty() {
            self.turns.push(key, conn);
        }
    }

    /// Lets a connection read on after its waker was called. One that is catching up does so
    /// anyway; another that has got the index since looks in vain.
    pub(crate) fn on_wake(&mut self, index: u32) {
        let Some(key) = self.conns.key_at(index as usize) else { return };
        let waits = |conn: &Conn| {
            matches!(conn.state, ConnState::FastPath | ConnState::SlowPath | ConnState::Fetching)
        };
        if self.conns.get(key).is_some_and(waits) {
            self.drive_writes(key);
        }
    }

    /// Handles a socket that took only a part of a batch.
    pub(crate) fn on_partial_send(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.state = ConnState::CatchingUp;
        conn.cold.stalled_since = self.timers.millis(self.now);
        let end = self.now + self.config.stall_timeout;
        self.timers.arm(&mut conn.cold.timer_due, key, end);
        // It may take more by now, and epoll would not report that again.
        self.turns.push(key, conn);
    }

    /// Writes the queue, and one portion of what the log has after that; there are turns for more.
    pub(crate) fn drive_writes(&mut self, key: ConnKey) {
        match self.write_next(key) {
            Ok(Next::Again) => self.queue_turn(key),
            Ok(Next::Wait) => {}
            Err(error) => self.on_io_error(key, &error),
        }
    }

    fn write_next(&mut self, key: ConnKey) -> io::Result<Next> {
        if self.flush(key)? != Written::All {
            return Ok(Next::Wait);
        }
        let Next::Again = self.collect_next(key)? else { return Ok(Next::Wait) };
        let frames = self.conns.get(key).map_or(0, |conn| conn.cold.write_queue.len());
        if self.flush(key)? != Written::All {
            return Ok(Next::Wait);
        }
        // After so few frames there is hardly more, and a reader that has everything need not wait
        // for a turn to find that out.
        if frames <= CAUGHT_UP_FRAMES { self.collect_next(key) } else { Ok(Next::Again) }
    }

    /// Writes the queue. What is left waits until the socket takes more.
    fn flush(&mut self, key: ConnKey) -> io::Result<Written> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(Written::Nothing) };
        let written = conn.flush(self.timers.millis(self.now))?;
        if written == Written::All {
            conn.cold.write_queue.release_buffer(&mut self.io.frames);
            return Ok(written);
        }
        if conn.state != ConnState::Closing {
            conn.state = ConnState::CatchingUp;
        }
        let since = self.timers.instant(conn.cold.stalled_since);
        let end = since + self.config.stall_timeout;
        self.timers.arm(&mut conn.cold.timer_due, key, end);
        Ok(written)
    }

    pub(crate) fn queue_turn(&mut self, key: ConnKey) {
        if let Some(conn) = self.conns.get_mut(key) {
            self.turns.push(key, conn);
        }
    }

    /// Gives a connection its turn: it writes, reads, and writes again.
    pub(crate) fn run_turn(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.turn_queued = false;
        // A reader that catches up is read from between two portions.
        if let Err(error) = self.flush(key) {
            return self.on_io_error(key, &error);
        }
        self.drive_reads(key);
        let takes_more = |conn: &Conn| {
            matches!(conn.state, ConnState::CatchingUp | ConnState::Closing)
                && conn.cold.write_queue.is_empty()
        };
        if self.conns.get(key).is_some_and(takes_more) {
            self.drive_writes(key);
        }
    }

    /// Reads one portion of the log into the queue.
    pub(crate) fn collect_next(&mut self, key: ConnKey) -> io::Result<Next> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(Next::Wait) };
        let Some(session) = &mut conn.cold.session else {
            return self.finish_closing(key).map(|()| Next::Wait);
        };
        if conn.seq > session.seq() {
            let sent_at = self.timers.instant_before(self.now, conn.sent_at);
            session.mark_delivered(conn.seq, sent_at);
        }
        session.register_shard(&self.io.waker, key.index());
        let step = session.collect(self.now, &mut self.io.frames);
        conn.seq = session.seq();
        conn.cold.write_queue.append(&mut self.io.frames);
        match step {
            Step::More | Step::Heartbeat => {
                conn.state = ConnState::CatchingUp;
                Ok(Next::Again)
            }
            Step::Fetch(until) => {
                conn.state = ConnState::Fetching;
                self.timers.arm(&mut conn.cold.timer_due, key, until);
                Ok(Next::Wait)
            }
            Step::Wait(until) => {
                let fast_path = session.accepts_batches();
                conn.state = if fast_path { ConnState::FastPath } else { ConnState::SlowPath };
                self.timers.arm(&mut conn.cold.timer_due, key, until);
                Ok(Next::Wait)
            }
            Step::End(reason) => {
                self.end_stream(key, reason);
                Ok(Next::Again)
            }
        }
    }
}
