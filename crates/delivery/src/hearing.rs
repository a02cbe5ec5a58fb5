//! What a connection's peer says: heard in turns, carried out, answered.

use std::{
    io::{self, Read as _},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tricast_core::{Answer, CloseReason, Control, Goodbye, Heard, Reply, Work};

use crate::{
    conn::{Conn, State},
    inbox::Note,
    peer::Next,
    shard::Shard,
};

/// What one connection may say before others have their turn: things, and the time and the answers that they take.
const SAYINGS_A_TURN: usize = 16;
const TURN: Duration = Duration::from_micros(200);
const ANSWERS_A_TURN: usize = 16 * 1024;

impl Shard {
    /// Hears what the peer says, until it says no more, something has to be done first, or its turn is over. Nobody
    /// is heard who does not take what is said. The answers leave together.
    pub(crate) fn listen(&mut self, key: u32) {
        let Some(conn) = self.conns.get(key as usize) else { return };
        let before = conn.rest.waiting.len();
        if conn.rest.ear.is_some() && before > 0 {
            return;
        }
        let begin = Instant::now();
        let (mut next, mut drained) = (Next::Again, false);
        for _ in 0..SAYINGS_A_TURN {
            next = match self.hear_next(key, &mut drained) {
                Ok(next) => next,
                Err(error) => return self.fail(key, &error),
            };
            let answers = self.conns.get(key as usize).map_or(0, |conn| conn.rest.waiting.bytes());
            let full = answers > ANSWERS_A_TURN || begin.elapsed() > TURN;
            if full || matches!(next, Next::Wait) {
                break;
            }
        }
        if self.conns.get(key as usize).is_some_and(|conn| conn.rest.waiting.len() > before) {
            self.attend(key);
        }
        if let Next::Again = next {
            self.take_turns(key);
        }
    }

    /// Hears one thing. `drained`: the socket has nothing more; whatever comes makes another event.
    fn hear_next(&mut self, key: u32, drained: &mut bool) -> io::Result<Next> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(Next::Wait) };
        let rest = &mut *conn.rest;
        if rest.working {
            return Ok(Next::Wait);
        }
        let heard = rest.ear.as_mut().map_or(Heard::Nothing, |ear| ear.hear(rest.session.as_mut()));
        let open = conn.state != State::Closing;
        match heard {
            Heard::Nothing if *drained => Ok(Next::Wait),
            Heard::Nothing => match conn.socket.read(&mut self.buffer) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    // Less than there was room for; an end that came with it would not be told again.
                    *drained = count < self.buffer.len() && !rest.ends;
                    if let Some(ear) = &mut rest.ear {
                        ear.push(&self.buffer[..count]);
                    }
                    Ok(Next::Again)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Next::Wait),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Next::Again),
                Err(error) => Err(error),
            },
            Heard::Reply(bytes) if open => {
                rest.say_aside(bytes);
                Ok(Next::Again)
            }
            Heard::Work(work) if open => Ok(self.work(key, work)),
            Heard::Left(bytes) if open => {
                rest.say_aside(bytes);
                self.leave(key);
                Ok(Next::Wait)
            }
            Heard::Broken(reason) if open => {
                rest.ear = None;
                self.break_off(key, reason);
                Ok(Next::Again)
            }
            Heard::Reply(_) | Heard::Work(_) => Ok(Next::Again),
            Heard::Left(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Heard::Broken(_) => {
                rest.ear = None;
                self.attend(key);
                Ok(Next::Again)
            }
        }
    }

    /// Does what a peer has asked for. Most is done at once; what has to wait does so on the runtime.
    fn work(&mut self, key: u32, mut work: Work) -> Next {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Next::Wait };
        let runtime = self.runtime.enter();
        let done = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(runtime);
        match done {
            Poll::Ready(answer) => {
                self.reply(key, answer);
                Next::Again
            }
            Poll::Pending => {
                conn.rest.working = true;
                let (birth, inbox) = (conn.rest.birth, self.inbox.clone());
                self.runtime.spawn(async move {
                    let answer = work.await;
                    // Without the shard there is nobody to answer.
                    let _ = inbox.post(Note::Answered { key, birth, answer });
                });
                Next::Wait
            }
        }
    }

    /// The peer has said goodbye itself, and has been answered.
    fn leave(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.state = State::Closing;
        conn.rest.session = None;
        conn.rest.ear = None;
        let seats = std::mem::take(&mut conn.rest.seats);
        self.desks.stand_up(&seats, &mut self.conns);
        self.attend(key);
    }

    /// Ends a stream for a reason of its peer's; its goodbye is still to be said. What the peer has said before
    /// that may concern itself: so it hears first what there is.
    fn break_off(&mut self, key: u32, reason: CloseReason) {
        let has_session = |conn: &Conn| conn.rest.session.is_some();
        if !self.conns.get(key as usize).is_some_and(has_session) {
            return;
        }
        if let Err(error) = self.collect_next(key) {
            return self.fail(key, &error);
        }
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if let Some(session) = &conn.rest.session {
            let goodbye = Control::Goodbye(Goodbye::new(reason, 0));
            session.spell(&goodbye).into_iter().for_each(|bytes| conn.rest.waiting.push(bytes));
        }
        self.end(key, reason);
        self.attend(key);
    }

    /// The work is done that a peer has asked for.
    pub(crate) fn answer(&mut self, key: u32, birth: u32, answer: Answer) {
        let conn = self.conns.get_mut(key as usize).filter(|conn| conn.rest.birth == birth);
        let Some(conn) = conn else { return };
        conn.rest.working = false;
        self.reply(key, answer);
        self.attend(key);
        self.listen(key);
    }

    /// Adds the answer to what waits; makes the change that it may be.
    fn reply(&mut self, key: u32, answer: Answer) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let Some(session) = &mut conn.rest.session else { return };
        let reply = match answer {
            Ok(reply) => reply,
            Err(reason) => {
                // Who cannot be answered in another way is not heard any more, but still gets what was published.
                session.leave(reason);
                conn.rest.ear = None;
                conn.state = State::Behind;
                return self.take_turns(key);
            }
        };
        let changes = matches!(reply, Reply::Change(_));
        if changes && conn.seq > session.seq() {
            session.passed(conn.seq, self.timers.instant(conn.passed_at));
        }
        session.answer(reply).into_iter().for_each(|bytes| conn.rest.waiting.push(bytes));
        if changes {
            self.resit(key);
        }
    }

    /// It listens to other channels than before, and looks for itself what that brings.
    fn resit(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let before = std::mem::take(&mut conn.rest.seats);
        self.desks.stand_up(&before, &mut self.conns);
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let Some(session) = &conn.rest.session else { return };
        conn.rest.seats = self.desks.sit(key, session.slots());
        conn.several = conn.rest.seats.len() > 1;
        conn.seq = session.seq();
        conn.state = State::Behind;
    }
}
