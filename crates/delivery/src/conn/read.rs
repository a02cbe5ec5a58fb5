//! Reads what a connection's peer sends, in turns, and runs its commands.

use std::{
    io,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tricast_core::{
    CloseReason, CommandFuture, CommandOutcome, Control, Goodbye, InboundEvent, StreamEnd,
};

use crate::{
    conn::{ConnState, write::Next},
    conns::ConnKey,
    inbox::ShardEvent,
    io::ReadBuffer,
    shard::Shard,
};

/// The share of one connection before others have their turn: messages that are read, the time that
/// they take, and the bytes of their replies.
const MESSAGES_PER_TURN: usize = 16;
const TURN_BUDGET: Duration = Duration::from_micros(200);
const REPLY_BYTES_PER_TURN: usize = 16 * 1024;

/// The state of a socket during a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readable {
    Maybe,
    /// It was read to its end. Whatever arrives later makes another event.
    Drained,
}

impl Shard {
    /// Reads what the peer has sent, until there is no more, a command has to wait, or the turn is
    /// over. Nothing is read from a peer that does not take its replies. Replies leave together.
    pub(crate) fn drive_reads(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get(key) else { return };
        let before = conn.cold.write_queue.len();
        if conn.cold.inbound.is_some() && before > 0 {
            return;
        }
        let begin = Instant::now();
        let (mut next, mut readable) = (Next::Again, Readable::Maybe);
        for _ in 0..MESSAGES_PER_TURN {
            next = match self.read_next(key, &mut readable) {
                Ok(next) => next,
                Err(error) => return self.on_io_error(key, &error),
            };
            let reply_bytes = self.conns.get(key).map_or(0, |conn| conn.cold.write_queue.bytes());
            let full = reply_bytes > REPLY_BYTES_PER_TURN || begin.elapsed() > TURN_BUDGET;
            if full || matches!(next, Next::Wait) {
                break;
            }
        }
        if self.conns.get(key).is_some_and(|conn| conn.cold.write_queue.len() > before) {
            self.drive_writes(key);
        }
        if let Next::Again = next {
            self.queue_turn(key);
        }
    }

    /// Handles one message of the peer's, or reads more bytes if none is complete.
    fn read_next(&mut self, key: ConnKey, readable: &mut Readable) -> io::Result<Next> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(Next::Wait) };
        let cold = &mut *conn.cold;
        if cold.command_running
            || cold.replies.as_ref().is_some_and(|replies| replies.block_reading())
        {
            return Ok(Next::Wait);
        }
        let event = match &mut cold.inbound {
            Some(inbound) => inbound.next_event(cold.session.as_mut()),
            None => InboundEvent::Incomplete,
        };
        let open = conn.state != ConnState::Closing;
        match event {
            InboundEvent::Incomplete if *readable == Readable::Drained => Ok(Next::Wait),
            InboundEvent::Incomplete => self.read_socket(key, readable),
            InboundEvent::Respond(bytes) if open => {
                cold.queue_reply(bytes);
                Ok(Next::Again)
            }
            InboundEvent::Command(command) if open => Ok(self.run_command(key, command)),
            InboundEvent::Close(bytes) if open => {
                match &mut cold.replies {
                    Some(replies) => replies.set_close(bytes),
                    None => {
                        cold.queue_reply(bytes);
                        self.on_peer_close(key);
                    }
                }
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

    /// Reads from the socket once. Without an [`Inbound`](tricast_core::Inbound) the bytes are
    /// thrown away.
    fn read_socket(&mut self, key: ConnKey, readable: &mut Readable) -> io::Result<Next> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(Next::Wait) };
        match self.io.read(&mut conn.socket) {
            Ok(([], _)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((bytes, buffer)) => {
                // The socket had less than fits. But a FIN that came with it is not reported again.
                if buffer == ReadBuffer::Partial && !conn.cold.peer_closed {
                    *readable = Readable::Drained;
                }
                if let Some(inbound) = &mut conn.cold.inbound {
                    inbound.push(bytes);
                }
                Ok(Next::Again)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Next::Wait),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Next::Again),
            Err(error) => Err(error),
        }
    }

    /// Runs a command of the peer's. Most end at once; one that has to wait does so on the runtime.
    fn run_command(&mut self, key: ConnKey, mut command: CommandFuture) -> Next {
        let Some(conn) = self.conns.get_mut(key) else { return Next::Wait };
        let runtime = self.runtime.enter();
        let done = command.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(runtime);
        match done {
            Poll::Ready(outcome) => {
                self.apply_outcome(key, outcome);
                Next::Again
            }
            Poll::Pending => {
                conn.cold.command_running = true;
                let inbox = self.io.inbox.clone();
                self.runtime.spawn(async move {
                    let outcome = command.await;
                    // If the shard has closed, so has the connection.
                    let _ = inbox.post(ShardEvent::CommandDone { key, outcome });
                });
                Next::Wait
            }
        }
    }

    /// Handles the end of a command that was moved to the runtime.
    pub(crate) fn on_command_done(&mut self, key: ConnKey, outcome: CommandOutcome) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.cold.command_running = false;
        self.apply_outcome(key, outcome);
        self.drive_writes(key);
        self.drive_reads(key);
    }

    /// Handles a close by the peer that was answered.
    pub(crate) fn on_peer_close(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.state = ConnState::Closing;
        if let Some(mut session) = conn.cold.session.take() {
            session.record_end(StreamEnd::Left);
        }
        conn.cold.inbound = None;
        let indices = std::mem::take(&mut conn.cold.indices);
        self.subscribers.remove(&indices, &mut self.conns);
        self.drive_writes(key);
    }

    /// Ends a stream because of what its peer did, with a goodbye. What the peer published before
    /// may be for itself too, so it is sent what is due first.
    fn end_with_goodbye(&mut self, key: ConnKey, reason: CloseReason) {
        if self.conns.get(key).is_none_or(|conn| conn.cold.session.is_none()) {
            return;
        }
        if let Err(error) = self.collect_next(key) {
            return self.on_io_error(key, &error);
        }
        let Some(conn) = self.conns.get_mut(key) else { return };
        if let Some(session) = &conn.cold.session {
            let goodbye = session.encode_control(&Control::Goodbye(Goodbye::new(reason, 0)));
            goodbye.into_iter().for_each(|bytes| conn.cold.write_queue.push(bytes));
        }
        self.end_stream(key, reason);
        self.drive_writes(key);
    }
}
