//! A shard's access to the kernel and to other threads, and the buffers that it reads into.

use std::{
    io::{self, Read as _},
    sync::Arc,
};

use bytes::Bytes;
use mio::{Interest, Poll, net::TcpStream};
use tricast_core::ShardWaker;

use crate::{conns::ConnKey, inbox::Inbox};

/// The most that is read from a socket in one call.
const READ_BUFFER_BYTES: usize = 16 * 1024;

pub(crate) struct ShardIo {
    pub(crate) poll: Poll,
    pub(crate) inbox: Arc<Inbox>,
    /// The inbox as the log knows it.
    pub(crate) waker: Arc<dyn ShardWaker>,
    read_buffer: Box<[u8]>,
    /// A spare list of frames, so that an idle connection need not keep one.
    pub(crate) frames: Vec<Bytes>,
}

/// The state of the read buffer after a read. If it is full, the socket may have more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadBuffer {
    Full,
    Partial,
}

impl ShardIo {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let inbox = Inbox::new(poll.registry())?;
        let waker: Arc<dyn ShardWaker> = inbox.clone();
        let read_buffer = vec![0; READ_BUFFER_BYTES].into();
        Ok(Self { poll, inbox, waker, read_buffer, frames: Vec::new() })
    }

    /// Has epoll report the events of a connection's socket.
    pub(crate) fn watch(&self, socket: &mut TcpStream, key: ConnKey) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, key.token(), both)
    }

    /// Reads once. Returns the bytes, and whether they filled the buffer.
    pub(crate) fn read(&mut self, socket: &mut TcpStream) -> io::Result<(&[u8], ReadBuffer)> {
        let count = socket.read(&mut self.read_buffer)?;
        let full = count == self.read_buffer.len();
        let fill = if full { ReadBuffer::Full } else { ReadBuffer::Partial };
        Ok((&self.read_buffer[..count], fill))
    }
}
