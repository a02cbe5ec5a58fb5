//! Notices that the client of a stream has left, while the connection is with the HTTP library. The
//! library does not read while a request is handled or its response is written, because a client
//! may close its sending side behind its request and still read. A client that closes its side
//! behind a request for a stream has left, whether the stream is open or the request still waits,
//! for example for the hook.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tricast_core::StreamEnd;

use crate::conn::socket::ConnHandle;

/// Bytes that are read at once when the client of a stream sends some, and how often in a row.
const READ_BYTES: usize = 4096;
const DISCARDS_PER_TURN: usize = 16;

/// Most bytes that are kept while a request for a stream waits. The end behind more bytes is not
/// noticed.
const READ_AHEAD_MAX: usize = 16 * 1024;

/// The bytes of a connection as the HTTP library sees them. While a stream is open or awaited it
/// also reads: at the end of what the client sends, writing fails.
#[derive(Debug)]
pub(crate) struct DepartureWatch<IO> {
    io: IO,
    conn: ConnHandle,
    /// Bytes that arrived behind a request for a stream, such as the first frames of a WebSocket.
    read_ahead: Vec<u8>,
    /// Bytes that the client of a stream sent were thrown away. Those that follow cannot be parsed
    /// as a request.
    discarded: bool,
}

impl<IO: AsyncRead + Unpin> DepartureWatch<IO> {
    pub(crate) fn new(io: IO, conn: ConnHandle) -> Self {
        Self { io, conn, read_ahead: Vec::new(), discarded: false }
    }

    /// Takes the connection apart: what it wraps, and the bytes that it has read ahead.
    pub(crate) fn into_parts(self) -> (IO, Vec<u8>) {
        (self.io, self.read_ahead)
    }

    /// Fails if the client of a stream, open or awaited, has left.
    fn check_departure(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.conn.is_streaming() {
            self.discard(cx)
        } else if self.conn.awaits_stream() {
            self.read_ahead(cx)
        } else {
            Ok(())
        }
    }

    /// Throws away what the client sends, which an open stream has no use for.
    fn discard(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.discarded |= !std::mem::take(&mut self.read_ahead).is_empty();
        for _ in 0..DISCARDS_PER_TURN {
            match self.read_some(cx, |_, _| ())? {
                Poll::Pending => return Ok(()),
                Poll::Ready(()) => self.discarded = true,
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Keeps what the client sends, to be read after the request has been answered.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.read_ahead.len() < READ_AHEAD_MAX {
            let read = self.read_some(cx, |kept, bytes| kept.extend_from_slice(bytes))?;
            if read.is_pending() {
                break;
            }
        }
        Ok(())
    }

    /// Reads once and passes what was read to `take`. Fails at the end.
    fn read_some(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) -> io::Result<Poll<()>> {
        let mut bytes = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut bytes);
        match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(())) if buf.filled().is_empty() => {
                // Over TLS the socket itself may still be open.
                self.conn.record_end(StreamEnd::Left);
                let message = "the client of a stream has closed its sending side";
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
            }
            Poll::Ready(Ok(())) => {
                take(&mut self.read_ahead, buf.filled());
                Ok(Poll::Ready(()))
            }
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    /// Looks at the client whenever the library has to wait for it.
    fn checked<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.check_departure(cx)?;
        }
        written
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for DepartureWatch<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.discarded {
            return Poll::Ready(Ok(()));
        }
        if self.read_ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.read_ahead.len().min(buf.remaining());
        buf.put_slice(&self.read_ahead[..count]);
        self.read_ahead.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for DepartureWatch<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.checked(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.checked(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// The library flushes when it has nothing more to write, and then waits.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.check_departure(cx)?;
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
