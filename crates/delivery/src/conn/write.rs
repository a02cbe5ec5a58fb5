//! One connection at a time: welcomes it, tells it what is due, ends it.

use std::{
    io,
    time::{Duration, Instant},
};

use mio::{Interest, Token};
use socket2::SockRef;
use tricast_core::{CloseReason, Ending, Format, Step};

use crate::{
    conn::{ColdState, Conn, ConnState, Handoff},
    shard::Shard,
    timers::NEVER,
};

/// Frames after which a reader has probably caught up.
const CAUGHT_UP_FRAMES: usize = 4;

/// How long a peer may take to hear the end of its stream and hang up.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

impl Shard {
    /// Takes a connection in.
    pub(crate) fn add_conn(&mut self, handoff: Handoff) {
        let Handoff {
            socket,
            head,
            mut session,
            inbound,
            read_ahead,
            permit,
            handshake_permit: _handshake_permit,
        } = handoff;
        let mut socket = mio::net::TcpStream::from_std(socket);
        let entry = self.conns.vacant_entry();
        let key = entry.key() as u32;
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(entry.key()), both) {
            tracing::warn!(%error, "a shard cannot watch a connection, and drops it");
            return;
        }
        session.attach_to_shard(self.id);
        session.register_shard(&self.waker, key);
        let indices = self.subscribers.add(key, session.slots());
        let (multi_channel, seq) = (indices.len() > 1, session.seq());
        let format = format_index(&mut self.formats, session.format());
        self.last_generation = self.last_generation.wrapping_add(1);
        let mut cold = ColdState::new(session, inbound, indices, self.last_generation, permit);
        cold.write_queue.push(head);
        if let Some(inbound) = &mut cold.inbound {
            inbound.push(&read_ahead);
        }
        let (state, sent_at, turn_queued) = (ConnState::CatchingUp, 0, false);
        let rest = Box::new(cold);
        entry.insert(Conn {
            socket,
            state,
            format,
            multi_channel,
            turn_queued,
            seq,
            sent_at,
            cold: rest,
        });
        // The head and hello leave together.
        if self.collect_next(key).is_ok() {
            self.drive_writes(key);
        }
        self.drive_reads(key);
    }

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
    fn finish_closing(&mut self, key: u32) -> io::Result<()> {
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

    /// Looks at it again at `at`, or before.
    fn set_timer(&mut self, key: u32, at: Instant) {
        // Rounded up: whoever is looked at too early is only looked at again.
        let millis = self.timers.millis(at) + 1;
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if millis < conn.cold.timer_due {
            conn.cold.timer_due = millis;
            self.timers.set(millis, key);
        }
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

/// What a connection does next.
pub(crate) enum Next {
    Again,
    /// For an event, a timer, its turn.
    Wait,
}

/// The place of `format` among those in use.
fn format_index(formats: &mut Vec<&'static dyn Format>, format: &'static dyn Format) -> u8 {
    let index = formats.iter().position(|known| known.variant() == format.variant());
    let index = index.unwrap_or_else(|| {
        formats.push(format);
        formats.len() - 1
    });
    index as u8
}
