//! One connection at a time: welcomes it, tells it what is due, ends it.

use std::{io, time::Instant};

use tricast_core::Step;

use crate::{
    conn::{Conn, ConnState},
    shard::Shard,
};

/// Frames after which a reader has probably caught up.
const CAUGHT_UP_FRAMES: usize = 4;

impl Shard {
    /// Its socket takes more, or its peer says something. A crowd may do so at once, each with much to catch up
    /// with, or to be answered: so there are turns.
    pub(crate) fn on_event(&mut self, key: u32, readable: bool, closed: bool) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.cold.peer_closed |= closed;
        if readable || !conn.cold.write_queue.is_empty() {
            self.queue_turn(key);
        }
    }

    /// Somebody has rung for it. Whoever is behind will look anyway.
    pub(crate) fn on_wake(&mut self, key: u32) {
        let caught_up =
            |conn: &Conn| matches!(conn.state, ConnState::FastPath | ConnState::SlowPath);
        if self.conns.get(key as usize).is_some_and(caught_up) {
            self.drive_writes(key);
        }
    }

    /// A run was passed on to it, and its socket took only a part.
    pub(crate) fn on_partial_send(&mut self, key: u32) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.state = ConnState::CatchingUp;
        conn.cold.stalled_since = self.timers.millis(now);
        self.set_timer(key, now + self.config.stall_timeout);
        // It may take more by now, and would not say so again.
        self.queue_turn(key);
    }

    /// Writes what waits, and one portion of what is due behind it; for more there are turns.
    pub(crate) fn drive_writes(&mut self, key: u32) {
        match self.write_next(key) {
            Ok(Next::Again) => self.queue_turn(key),
            Ok(Next::Wait) => {}
            Err(error) => self.on_io_error(key, &error),
        }
    }

    fn write_next(&mut self, key: u32) -> io::Result<Next> {
        if !self.flush(key)? {
            return Ok(Next::Wait);
        }
        let Next::Again = self.collect_next(key)? else { return Ok(Next::Wait) };
        let frames = self.conns.get(key as usize).map_or(0, |conn| conn.cold.write_queue.len());
        if !self.flush(key)? {
            return Ok(Next::Wait);
        }
        // Behind so little there is hardly more, and who has everything need not wait for a turn to say so.
        if frames <= CAUGHT_UP_FRAMES { self.collect_next(key) } else { Ok(Next::Again) }
    }

    /// Writes what waits; whether that was everything. The rest is for when the socket takes more.
    fn flush(&mut self, key: u32) -> io::Result<bool> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(false) };
        if conn.flush(self.timers.millis(self.now))? {
            conn.cold.write_queue.release_buffer(&mut self.frames);
            return Ok(true);
        }
        if conn.state != ConnState::Closing {
            conn.state = ConnState::CatchingUp;
        }
        let since = self.timers.instant(conn.cold.stalled_since);
        self.set_timer(key, since + self.config.stall_timeout);
        Ok(false)
    }

    /// Puts a connection behind the others that have more to say or hear.
    pub(crate) fn queue_turn(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if !std::mem::replace(&mut conn.turn_queued, true) {
            self.turns.push_back(key);
        }
    }

    /// Its turn has come.
    pub(crate) fn run_turn(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        // The turn may have been of another that had this key before.
        if std::mem::take(&mut conn.turn_queued) {
            // Whoever is behind is heard between two portions.
            if let Err(error) = self.flush(key) {
                return self.on_io_error(key, &error);
            }
            self.drive_reads(key);
            let takes_more = |conn: &Conn| {
                matches!(conn.state, ConnState::CatchingUp | ConnState::Closing)
                    && conn.cold.write_queue.is_empty()
            };
            if self.conns.get(key as usize).is_some_and(takes_more) {
                self.drive_writes(key);
            }
        }
    }

    /// Adds what is due next to what waits.
    pub(crate) fn collect_next(&mut self, key: u32) -> io::Result<Next> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(Next::Wait) };
        let Some(session) = &mut conn.cold.session else {
            return self.finish_closing(key).map(|()| Next::Wait);
        };
        if conn.seq > session.seq() {
            session.mark_delivered(conn.seq, self.timers.instant(conn.sent_at));
        }
        session.register_shard(&self.waker, key);
        let step = session.collect(self.now, &mut self.frames);
        conn.seq = session.seq();
        conn.cold.write_queue.append(&mut self.frames);
        match step {
            Step::More | Step::Heartbeat => {
                conn.state = ConnState::CatchingUp;
                Ok(Next::Again)
            }
            Step::Wait(until) => {
                let fast_path = session.accepts_batches();
                conn.state = if fast_path { ConnState::FastPath } else { ConnState::SlowPath };
                self.set_timer(key, until);
                Ok(Next::Wait)
            }
            Step::End(reason) => {
                self.end_stream(key, reason);
                Ok(Next::Again)
            }
        }
    }

    /// Looks at it again at `at`, or before.
    pub(crate) fn set_timer(&mut self, key: u32, at: Instant) {
        // Rounded up: whoever is looked at too early is only looked at again.
        let millis = self.timers.millis(at) + 1;
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if millis < conn.cold.timer_due {
            conn.cold.timer_due = millis;
            self.timers.set(millis, key);
        }
    }
}

/// What a connection does next.
pub(crate) enum Next {
    Again,
    /// For an event, a timer, its turn.
    Wait,
}
