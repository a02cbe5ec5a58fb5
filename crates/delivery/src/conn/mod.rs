//! One connection of a shard: a small part that every broadcast reads, and the rest apart from it.

mod close;
mod open;
mod outcome;
mod read;
mod replies;
mod write;
mod write_queue;

use std::{
    any::Any,
    io::{self, Write as _},
};

use bytes::Bytes;
use tricast_core::{Inbound, Seq, Session};

use self::{
    replies::Replies,
    write_queue::{WriteQueue, Written},
};
use crate::{
    conns::Generation,
    formats::FormatIndex,
    subscribers::SubscriberIndices,
    timers::{Millis, NEVER},
};

/// The part of a connection that a broadcast reads. Small, because it walks over thousands of them.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) socket: mio::net::TcpStream,
    pub(crate) generation: Generation,
    pub(crate) state: ConnState,
    pub(crate) format: FormatIndex,
    /// It reads more than one channel.
    pub(crate) multi_channel: bool,
    /// It is in the shard's queue of turns.
    pub(crate) turn_queued: bool,
    /// The lower half of when a batch was last sent to it, in the shard's milliseconds.
    pub(crate) sent_at: u32,
    /// Every message up to here has been read, handed to the socket, or put into the write queue.
    pub(crate) seq: Seq,
    pub(crate) cold: Box<ColdState>,
}

/// The way in which a connection gets its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnState {
    /// It has read everything and its socket takes more: broadcasts may be sent to it.
    FastPath,
    /// It has read everything, and reads the log itself at each batch.
    SlowPath,
    /// Its socket takes no more, or its turn is queued: it will read the log itself.
    CatchingUp,
    /// It waits for older messages from the engine, and reads on when it is woken.
    Fetching,
    /// Its stream is over. The write queue is still sent; then the peer has a moment to close.
    Closing,
}

/// The part of a connection that is needed now and then.
pub(crate) struct ColdState {
    /// `None` once the stream is over and the reader has left.
    pub(crate) session: Option<Session>,
    pub(crate) inbound: Option<Box<dyn Inbound>>,
    pub(crate) indices: SubscriberIndices,
    pub(crate) write_queue: WriteQueue,
    /// When the one timer entry that counts is due, or [`NEVER`].
    pub(crate) timer_due: Millis,
    /// Since when the socket has taken nothing or the stream has been over, or [`NEVER`].
    pub(crate) stalled_since: Millis,
    /// A command of the peer's is running; nothing more is read until it is done.
    pub(crate) command_running: bool,
    /// Replies that wait for their results, or for earlier ones. `None` for most connections.
    pub(crate) replies: Option<Box<Replies>>,
    /// The peer has closed its side; there may still be bytes to read before that.
    pub(crate) peer_closed: bool,
    /// The socket was shut down for writing.
    pub(crate) shutdown_sent: bool,
    /// The connection ends with a reset.
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
        permit: Box<dyn Any + Send>,
    ) -> Self {
        Self {
            session: Some(session),
            inbound,
            indices,
            write_queue: WriteQueue::default(),
            timer_due: NEVER,
            stalled_since: NEVER,
            command_running: false,
            replies: None,
            peer_closed: false,
            shutdown_sent: false,
            reset_on_close: false,
            _permit: permit,
        }
    }

    /// Queues bytes that are not part of the stream.
    pub(crate) fn queue_reply(&mut self, bytes: Bytes) {
        if let Some(session) = &self.session {
            session.meters().sent_bytes.increment(bytes.len() as u64);
        }
        self.write_queue.push(bytes);
    }
}

impl Conn {
    /// Writes the queue, and notes since when the socket has taken nothing.
    pub(crate) fn flush(&mut self, now: Millis) -> io::Result<Written> {
        if self.cold.write_queue.is_empty() {
            return Ok(Written::All);
        }
        let written = self.cold.write_queue.write_to(&self.socket)?;
        match written {
            Written::All => self.cold.stalled_since = NEVER,
            Written::Nothing if self.cold.stalled_since != NEVER => {}
            Written::Some | Written::Nothing => self.cold.stalled_since = now,
        }
        Ok(written)
    }

    /// Shuts the socket down for writing, once.
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
        // Not counted here: the subscription's cursors, its waker, the client's id, and the log's
        // own count. A debug build adds checks to a socket.
        let hot = size_of::<Conn>() - if cfg!(debug_assertions) { 16 } else { 0 };
        let cold = size_of::<ColdState>();
        assert!(hot <= 32, "a broadcast reads {hot} bytes of each connection");
        assert!(cold <= 304, "each connection keeps {cold} bytes apart");
    }
}
