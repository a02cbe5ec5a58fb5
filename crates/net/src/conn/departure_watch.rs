//! Notices that the client of a stream has left, on a connection that stays with the HTTP library.
//! The library does not read while it writes a response, because a client may close its sending
//! side behind its request and still read. The client of a stream that closes its side has left.

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
const DISCARD_BYTES: usize = 4096;
const DISCARDS_PER_TURN: usize = 16;

/// The bytes of a connection as the HTTP library sees them. While a stream is open it also reads:
/// at the end of what the client sends, writing fails.
#[derive(Debug)]
pub(crate) struct DepartureWatch<IO> {
    io: IO,
    conn: ConnHandle,
    /// Bytes that the client of a stream sent were thrown away. Those that follow cannot be parsed
    /// as a request.
    discarded: bool,
}

impl<IO: AsyncRead + Unpin> DepartureWatch<IO> {
    pub(crate) fn new(io: IO, conn: ConnHandle) -> Self {
        Self { io, conn, discarded: false }
    }

    /// Fails if a stream is open and its client has left. Throws away what the client sends, which
    /// a stream has no use for.
    fn check_departure(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.conn.is_streaming() {
            return Ok(());
        }
        let mut bytes = [const { MaybeUninit::uninit() }; DISCARD_BYTES];
        for _ in 0..DISCARDS_PER_TURN {
            let mut buf = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) if buf.filled().is_empty() => {
                    // Over TLS the socket itself may still be open.
                    self.conn.record_end(StreamEnd::Left);
                    let message = "the client of a stream has closed its sending side";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
                }
                Poll::Ready(Ok(())) => self.discarded = true,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
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
        match self.discarded {
            true => Poll::Ready(Ok(())),
            false => Pin::new(&mut self.io).poll_read(cx, buf),
        }
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
