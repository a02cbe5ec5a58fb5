//! One connection of a shard: what every message needs at hand, and the rest apart.

mod close;
mod open;
mod read;
mod write;
mod write_queue;

use std::{
    any::Any,
    io::{self, Write as _},
};

use bytes::Bytes;
use tricast_core::{Inbound, Seq, Session};

use self::write_queue::WriteQueue;
use crate::{subscribers::SubscriberIndices, timers::NEVER};

/// A connection. Small, because a fan-out walks over thousands.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) socket: mio::net::TcpStream,
    pub(crate) state: ConnState,
    /// Which of the shard's formats.
    pub(crate) format: u8,
    /// It reads more than one channel.
    pub(crate) multi_channel: bool,
    /// It stands among those that have more to say or hear.
    pub(crate) turn_queued: bool,
    /// Everything up to here has been read, or handed to the socket, or waits below.
    pub(crate) seq: Seq,
    /// When runs were last passed on to it, in the shard's milliseconds.
    pub(crate) sent_at: u64,
    pub(crate) cold: Box<ColdState>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnState {
    /// It has everything, and its socket takes more: runs may be passed on to it.
    FastPath,
    /// It has everything, and looks for itself at each run.
    SlowPath,
    /// Its socket takes no more, or it waits for its turn: it will look for itself.
    CatchingUp,
    /// Its stream is over. What waits still leaves, then the peer has a moment to hear it.
    Closing,
}

/// What a connection needs now and then.
pub(crate) struct ColdState {
    /// `None` once the stream is over: the reader has left.
    pub(crate) session: Option<Session>,
    pub(crate) inbound: Option<Box<dyn Inbound>>,
    pub(crate) indices: SubscriberIndices,
    pub(crate) write_queue: WriteQueue,
    /// Tells this connection from another that has its key later.
    pub(crate) generation: u32,
    /// The one timer entry that counts; [`NEVER`] is none.
    pub(crate) timer_due: u64,
    /// Since when the socket has taken nothing, or the stream is over; [`NEVER`] is not at all.
    pub(crate) stalled_since: u64,
    /// Work is under way that its peer asked for; nothing more is heard until it is done.
    pub(crate) command_running: bool,
    /// Its peer's end has come, maybe behind bytes that are still to be read.
    pub(crate) peer_closed: bool,
    /// It has been sent its end.
    pub(crate) shutdown_sent: bool,
    /// Its end is a reset.
    pub(crate) reset_on_close: bool,
    _permit: Box<dyn Any + Send>,
}

impl std::fmt::Debug for ColdState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdState").field("session", &self.session).finish_non_exhaustive()
    }
}

impl ColdState {
    pub(crate) fn new(
        session: Session,
        inbound: Option<Box<dyn Inbound>>,
        indices: SubscriberIndices,
        generation: u32,
        permit: Box<dyn Any + Send>,
    ) -> Self {
        Self {
            session: Some(session),
            inbound,
            indices,
            write_queue: WriteQueue::default(),
            generation,
            timer_due: NEVER,
            stalled_since: NEVER,
            command_running: false,
            peer_closed: false,
            shutdown_sent: false,
            reset_on_close: false,
            _permit: permit,
        }
    }
}

impl ColdState {
    /// Says something that is not part of the stream.
    pub(crate) fn queue_reply(&mut self, bytes: Bytes) {
        if let Some(session) = &self.session {
            session.meters().sent_bytes.increment(bytes.len() as u64);
        }
        self.write_queue.push(bytes);
    }
}

impl Conn {
    /// Writes what waits; whether that was everything.
    pub(crate) fn flush(&mut self, now: u64) -> io::Result<bool> {
        if self.cold.write_queue.is_empty() {
            return Ok(true);
        }
        let (done, progress) = self.cold.write_queue.write_to(&self.socket)?;
        if done {
            self.cold.stalled_since = NEVER;
        } else if progress || self.cold.stalled_since == NEVER {
            self.cold.stalled_since = now;
        }
        Ok(done)
    }

    /// Sends the end of the connection, once.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.cold.shutdown_sent, true) {
            self.socket.shutdown(std::net::Shutdown::Write)?;
        }
        self.socket.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_each_connection_is_bounded() {
        // Beside this: the subscription's taps, its bell, the client's id, and the log's own count. A debug
        // build adds checks to a socket.
        let hot = size_of::<Conn>() - if cfg!(debug_assertions) { 16 } else { 0 };
        let cold = size_of::<ColdState>();
        assert!(hot <= 32, "a fan-out walks over {hot} bytes a connection");
        assert!(cold <= 288, "each connection keeps {cold} bytes apart");
    }
}
