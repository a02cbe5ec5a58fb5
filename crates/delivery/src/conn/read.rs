//! What a connection's peer says: heard in turns, carried out, answered.

use std::{
    io::{self, Read as _},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tricast_core::{
    CloseReason, CommandFuture, CommandResult, Control, Goodbye, InboundEvent, Reply,
};

use crate::{
    conn::{Conn, ConnState, write::Next},
    inbox::ShardEvent,
    shard::Shard,
};

/// What one connection may say before others have their turn: things, and the time and the answers that they take.
const MESSAGES_PER_TURN: usize = 16;
const TURN_BUDGET: Duration = Duration::from_micros(200);
const REPLY_BYTES_PER_TURN: usize = 16 * 1024;

impl Shard {
    /// Hears what the peer says, until it says no more, something has to be done first, or its turn is over. Nobody
    /// is heard who does not take what is said. The answers leave together.
    pub(crate) fn drive_reads(&mut self, key: u32) {
        let Some(conn) = self.conns.get(key as usize) else { return };
        let before = conn.cold.write_queue.len();
        if conn.cold.inbound.is_some() && before > 0 {
            return;
        }
        let begin = Instant::now();
        let (mut next, mut drained) = (Next::Again, false);
        for _ in 0..MESSAGES_PER_TURN {
            next = match self.read_next(key, &mut drained) {
                Ok(next) => next,
                Err(error) => return self.on_io_error(key, &error),
            };
            let reply_bytes =
                self.conns.get(key as usize).map_or(0, |conn| conn.cold.write_queue.bytes());
            let full = reply_bytes > REPLY_BYTES_PER_TURN || begin.elapsed() > TURN_BUDGET;
            if full || matches!(next, Next::Wait) {
                break;
            }
        }
        if self.conns.get(key as usize).is_some_and(|conn| conn.cold.write_queue.len() > before) {
            self.drive_writes(key);
        }
        if let Next::Again = next {
            self.queue_turn(key);
        }
    }

    /// Hears one thing. `drained`: the socket has nothing more; whatever comes makes another event.
    fn read_next(&mut self, key: u32, drained: &mut bool) -> io::Result<Next> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(Next::Wait) };
        let cold = &mut *conn.cold;
        if cold.command_running {
            return Ok(Next::Wait);
        }
        let event = cold
            .inbound
            .as_mut()
            .map_or(InboundEvent::Incomplete, |ear| ear.next_event(cold.session.as_mut()));
        let open = conn.state != ConnState::Closing;
        match event {
            InboundEvent::Incomplete if *drained => Ok(Next::Wait),
            InboundEvent::Incomplete => match conn.socket.read(&mut self.buffer) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    // Less than there was room for; an end that came with it would not be told again.
                    *drained = count < self.buffer.len() && !cold.peer_closed;
                    if let Some(inbound) = &mut cold.inbound {
                        inbound.push(&self.buffer[..count]);
                    }
                    Ok(Next::Again)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Next::Wait),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Next::Again),
                Err(error) => Err(error),
            },
            InboundEvent::Respond(bytes) if open => {
                cold.queue_reply(bytes);
                Ok(Next::Again)
            }
            InboundEvent::Command(command) if open => Ok(self.run_command(key, command)),
            InboundEvent::Close(bytes) if open => {
                cold.queue_reply(bytes);
                self.on_peer_close(key);
                Ok(Next::Wait)
            }
            InboundEvent::Violation(reason) if open => {
                cold.inbound = None;
                self.end_with_goodbye(key, reason);
                Ok(Next::Again)
            }
            InboundEvent::Respond(_) | InboundEvent::Command(_) => Ok(Next::Again),
            InboundEvent::Close(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            InboundEvent::Violation(_) => {
                cold.inbound = None;
                self.drive_writes(key);
                Ok(Next::Again)
            }
        }
    }

    /// Does what a peer has asked for. Most is done at once; what has to wait does so on the runtime.
    fn run_command(&mut self, key: u32, mut work: CommandFuture) -> Next {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Next::Wait };
        let runtime = self.runtime.enter();
        let done = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(runtime);
        match done {
            Poll::Ready(result) => {
                self.apply_result(key, result);
                Next::Again
            }
            Poll::Pending => {
                conn.cold.command_running = true;
                let (generation, inbox) = (conn.cold.generation, self.inbox.clone());
                self.runtime.spawn(async move {
                    let result = work.await;
                    // Without the shard there is nobody to answer.
                    let _ = inbox.post(ShardEvent::CommandDone { key, generation, result });
                });
                Next::Wait
            }
        }
    }

    /// The peer has said goodbye itself, and has been answered.
    fn on_peer_close(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.state = ConnState::Closing;
        conn.cold.session = None;
        conn.cold.inbound = None;
        let indices = std::mem::take(&mut conn.cold.indices);
        self.subscribers.remove(&indices, &mut self.conns);
        self.drive_writes(key);
    }

    /// Ends a stream for a reason of its peer's; its goodbye is still to be said. What the peer has said before
    /// that may concern itself: so it hears first what there is.
    fn end_with_goodbye(&mut self, key: u32, reason: CloseReason) {
        let has_session = |conn: &Conn| conn.cold.session.is_some();
        if !self.conns.get(key as usize).is_some_and(has_session) {
            return;
        }
        if let Err(error) = self.collect_next(key) {
            return self.on_io_error(key, &error);
        }
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if let Some(session) = &conn.cold.session {
            let goodbye = Control::Goodbye(Goodbye::new(reason, 0));
            session
                .encode_control(&goodbye)
                .into_iter()
                .for_each(|bytes| conn.cold.write_queue.push(bytes));
        }
        self.end_stream(key, reason);
        self.drive_writes(key);
    }

    /// The work is done that a peer has asked for.
    pub(crate) fn on_command_done(&mut self, key: u32, generation: u32, answer: CommandResult) {
        let conn =
            self.conns.get_mut(key as usize).filter(|conn| conn.cold.generation == generation);
        let Some(conn) = conn else { return };
        conn.cold.command_running = false;
        self.apply_result(key, answer);
        self.drive_writes(key);
        self.drive_reads(key);
    }

    /// Adds the answer to what waits; makes the change that it may be.
    fn apply_result(&mut self, key: u32, result: CommandResult) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let Some(session) = &mut conn.cold.session else { return };
        let reply = match result {
            Ok(reply) => reply,
            Err(reason) => {
                // Who cannot be answered in another way is not heard any more, but still gets what was published.
                session.close_after_delivery(reason);
                conn.cold.inbound = None;
                conn.state = ConnState::CatchingUp;
                return self.queue_turn(key);
            }
        };
        let changes = matches!(reply, Reply::Change(..));
        if changes && conn.seq > session.seq() {
            session.mark_delivered(conn.seq, self.timers.instant(conn.sent_at));
        }
        session.apply_reply(reply).into_iter().for_each(|bytes| conn.cold.write_queue.push(bytes));
        if changes {
            self.update_subscriptions(key);
        }
    }

    /// It listens to other channels than before, and looks for itself what that brings.
    fn update_subscriptions(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let before = std::mem::take(&mut conn.cold.indices);
        self.subscribers.remove(&before, &mut self.conns);
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let Some(session) = &conn.cold.session else { return };
        conn.cold.indices = self.subscribers.add(key, session.slots());
        conn.multi_channel = conn.cold.indices.len() > 1;
        conn.seq = session.seq();
        conn.state = ConnState::CatchingUp;
    }
}
