//! One connection at a time: welcomes it, tells it what is due, ends it.

use std::{
    io,
    time::{Duration, Instant},
};

use mio::{Interest, Token};
use socket2::SockRef;
use tricast_core::{CloseReason, Ending, Format, Step};

use crate::{
    conn::{Conn, Newcomer, Rest, State},
    shard::Shard,
    timers::NEVER,
};

/// Frames after which a reader has probably caught up.
const LITTLE: usize = 4;

/// How long a peer may take to hear the end of its stream and hang up.
const FAREWELL: Duration = Duration::from_secs(5);

impl Shard {
    /// Takes a connection in.
    pub(crate) fn welcome(&mut self, newcomer: Newcomer) {
        let Newcomer { socket, head, mut session, ear, heard, lease, place: _place } = newcomer;
        let mut socket = mio::net::TcpStream::from_std(socket);
        let entry = self.conns.vacant_entry();
        let key = entry.key() as u32;
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(entry.key()), both) {
            tracing::warn!(%error, "a shard cannot watch a connection, and drops it");
            return;
        }
        session.move_to(self.id);
        session.register_at(&self.doorbell, key);
        let seats = self.desks.sit(key, session.slots());
        let (several, seq) = (seats.len() > 1, session.seq());
        let format = place_of(&mut self.formats, session.format());
        self.births = self.births.wrapping_add(1);
        let mut rest = Rest::new(session, ear, seats, self.births, lease);
        rest.waiting.push(head);
        if let Some(ear) = &mut rest.ear {
            ear.push(&heard);
        }
        let (state, passed_at, in_turns) = (State::Behind, 0, false);
        let rest = Box::new(rest);
        entry.insert(Conn { socket, state, format, several, in_turns, seq, passed_at, rest });
        // The head and hello leave together.
        if self.collect_next(key).is_ok() {
            self.attend(key);
        }
        self.listen(key);
    }

    /// Its socket takes more, or its peer says something. A crowd may do so at once, each with much to catch up
    /// with, or to be answered: so there are turns.
    pub(crate) fn on_event(&mut self, key: u32, says: bool, ends: bool) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.rest.ends |= ends;
        if says || !conn.rest.waiting.is_empty() {
            self.take_turns(key);
        }
    }

    /// Somebody has rung for it. Whoever is behind will look anyway.
    pub(crate) fn on_ring(&mut self, key: u32) {
        let idle = |conn: &Conn| matches!(conn.state, State::InStep | State::Alone);
        if self.conns.get(key as usize).is_some_and(idle) {
            self.attend(key);
        }
    }

    /// A run was passed on to it, and its socket took only a part.
    pub(crate) fn fall_behind(&mut self, key: u32) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.state = State::Behind;
        conn.rest.stuck_since = self.timers.millis(now);
        self.set_timer(key, now + self.rules.patience);
        // It may take more by now, and would not say so again.
        self.take_turns(key);
    }

    /// Writes what waits, and one portion of what is due behind it; for more there are turns.
    pub(crate) fn attend(&mut self, key: u32) {
        match self.say_next(key) {
            Ok(Next::Again) => self.take_turns(key),
            Ok(Next::Wait) => {}
            Err(error) => self.fail(key, &error),
        }
    }

    fn say_next(&mut self, key: u32) -> io::Result<Next> {
        if !self.flush(key)? {
            return Ok(Next::Wait);
        }
        let Next::Again = self.collect_next(key)? else { return Ok(Next::Wait) };
        let frames = self.conns.get(key as usize).map_or(0, |conn| conn.rest.waiting.len());
        if !self.flush(key)? {
            return Ok(Next::Wait);
        }
        // Behind so little there is hardly more, and who has everything need not wait for a turn to say so.
        if frames <= LITTLE { self.collect_next(key) } else { Ok(Next::Again) }
    }

    /// Writes what waits; whether that was everything. The rest is for when the socket takes more.
    fn flush(&mut self, key: u32) -> io::Result<bool> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(false) };
        if conn.flush(self.timers.millis(self.now))? {
            conn.rest.waiting.return_room(&mut self.frames);
            return Ok(true);
        }
        if conn.state != State::Closing {
            conn.state = State::Behind;
        }
        let since = self.timers.instant(conn.rest.stuck_since);
        self.set_timer(key, since + self.rules.patience);
        Ok(false)
    }

    /// Puts a connection behind the others that have more to say or hear.
    pub(crate) fn take_turns(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if !std::mem::replace(&mut conn.in_turns, true) {
            self.turns.push_back(key);
        }
    }

    /// Its turn has come.
    pub(crate) fn have_turn(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        // The turn may have been of another that had this key before.
        if std::mem::take(&mut conn.in_turns) {
            // Whoever is behind is heard between two portions.
            if let Err(error) = self.flush(key) {
                return self.fail(key, &error);
            }
            self.listen(key);
            let takes_more = |conn: &Conn| {
                matches!(conn.state, State::Behind | State::Closing) && conn.rest.waiting.is_empty()
            };
            if self.conns.get(key as usize).is_some_and(takes_more) {
                self.attend(key);
            }
        }
    }

    /// Adds what is due next to what waits.
    pub(crate) fn collect_next(&mut self, key: u32) -> io::Result<Next> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(Next::Wait) };
        let Some(session) = &mut conn.rest.session else {
            return self.hang_up(key).map(|()| Next::Wait);
        };
        if conn.seq > session.seq() {
            session.passed(conn.seq, self.timers.instant(conn.passed_at));
        }
        session.register_at(&self.doorbell, key);
        let step = session.collect(self.now, &mut self.frames);
        conn.seq = session.seq();
        conn.rest.waiting.append(&mut self.frames);
        match step {
            Step::More | Step::Beat => {
                conn.state = State::Behind;
                Ok(Next::Again)
            }
            Step::Wait(until) => {
                let in_step = session.may_be_passed();
                conn.state = if in_step { State::InStep } else { State::Alone };
                self.set_timer(key, until);
                Ok(Next::Wait)
            }
            Step::End(reason) => {
                self.end(key, reason);
                Ok(Next::Again)
            }
        }
    }

    /// The stream is over: its reader leaves, and its end joins what waits.
    pub(crate) fn end(&mut self, key: u32, reason: CloseReason) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.state = State::Closing;
        let Some(session) = conn.rest.session.take() else { return };
        match session.format().ending(reason) {
            Ending::Say(bytes) => {
                session.meters().sent_bytes.increment(bytes.len() as u64);
                conn.rest.waiting.push(bytes);
            }
            Ending::Silent => {}
            Ending::Abrupt => conn.rest.resets = true,
        }
        conn.rest.stuck_since = self.timers.millis(self.now);
        let seats = std::mem::take(&mut conn.rest.seats);
        self.desks.stand_up(&seats, &mut self.conns);
    }

    /// Everything has been said. The peer has a moment to hear it: to close a socket with unread bytes
    /// would reset the connection, and the end could be lost with it.
    fn hang_up(&mut self, key: u32) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(()) };
        if conn.rest.resets {
            SockRef::from(&conn.socket).set_linger(Some(Duration::ZERO))?;
            self.close(key);
            return Ok(());
        }
        // A peer with a voice answers the end itself.
        if conn.rest.ear.is_none() {
            conn.shut()?;
        }
        if conn.rest.stuck_since == NEVER {
            conn.rest.stuck_since = self.timers.millis(self.now);
        }
        let since = self.timers.instant(conn.rest.stuck_since);
        self.set_timer(key, since + FAREWELL);
        Ok(())
    }

    pub(crate) fn on_timer(&mut self, millis: u64, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize).filter(|c| c.rest.due == millis) else {
            return;
        };
        conn.rest.due = NEVER;
        // With nothing left to say, only its own end is waited for.
        let stalled = !conn.rest.waiting.is_empty();
        let patience = if stalled { self.rules.patience } else { FAREWELL };
        if conn.rest.stuck_since == NEVER {
            return self.attend(key);
        }
        let end = self.timers.instant(conn.rest.stuck_since) + patience;
        if end > self.now {
            return self.set_timer(key, end);
        }
        if stalled {
            self.rules.stalled.increment(1);
        }
        self.close(key);
    }

    /// Looks at it again at `at`, or before.
    fn set_timer(&mut self, key: u32, at: Instant) {
        // Rounded up: whoever is looked at too early is only looked at again.
        let millis = self.timers.millis(at) + 1;
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if millis < conn.rest.due {
            conn.rest.due = millis;
            self.timers.set(millis, key);
        }
    }

    /// The connection broke.
    pub(crate) fn fail(&mut self, key: u32, error: &io::Error) {
        // The kernel has waited for the peer as long as we would have (TCP_USER_TIMEOUT).
        if error.kind() == io::ErrorKind::TimedOut {
            self.rules.stalled.increment(1);
        }
        self.close(key);
    }

    /// The connection is gone, or shall be.
    pub(crate) fn close(&mut self, key: u32) {
        let Some(conn) = self.conns.try_remove(key as usize) else { return };
        self.desks.stand_up(&conn.rest.seats, &mut self.conns);
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
fn place_of(formats: &mut Vec<&'static dyn Format>, format: &'static dyn Format) -> u8 {
    let place = formats.iter().position(|known| known.variant() == format.variant());
    let place = place.unwrap_or_else(|| {
        formats.push(format);
        formats.len() - 1
    });
    place as u8
}
