//! Reads along what a client of HTTP/2 sends, for the one frame that the library keeps to itself: WINDOW_UPDATE (RFC 9113 §6.9).

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ledger::Ledger;

/// The client's preface, before its first frame.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// Length, type, flags and stream.
const HEAD: usize = 9;

const WINDOW_UPDATE: u8 = 8;

/// A connection that tells the ledger what was given back.
pub(super) struct Watched<IO> {
    io: IO,
    frames: Frames,
    ledger: Arc<Ledger>,
}

/// Where one frame ends and the next begins.
struct Frames {
    /// Bytes that are passed over.
    skip: usize,
    /// A frame's head, and the four bytes of a window update.
    head: [u8; HEAD + 4],
    read: usize,
}

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO, ledger: Arc<Ledger>) -> Self {
        Self { io, frames: Frames::new(), ledger }
    }
}

impl Frames {
    fn new() -> Self {
        Self { skip: PREFACE, head: [0; HEAD + 4], read: 0 }
    }

    /// Reads on, and tells of each window update: stream, and bytes.
    fn read(&mut self, mut bytes: &[u8], mut tell: impl FnMut(u32, u32)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let wanted = if self.is_update() { HEAD + 4 } else { HEAD };
            let taken = (wanted - self.read).min(bytes.len());
            self.head[self.read..self.read + taken].copy_from_slice(&bytes[..taken]);
            self.read += taken;
            bytes = &bytes[taken..];
            if self.read == HEAD && !self.is_update() {
                let [a, b, c, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.read = 0;
            } else if self.read == HEAD + 4 {
                let [.., s0, s1, s2, s3, i0, i1, i2, i3] = self.head;
                // The first bit of each is reserved.
                let number = |bytes| u32::from_be_bytes(bytes) & (u32::MAX >> 1);
                tell(number([s0, s1, s2, s3]), number([i0, i1, i2, i3]));
                self.read = 0;
            }
        }
    }

    /// Whether a whole head is read, and is a window update's. One of another length is an error, which the library finds.
    fn is_update(&self) -> bool {
        self.read >= HEAD && self.head[..4] == [0, 0, 4, WINDOW_UPDATE]
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let Self { frames, ledger, .. } = &mut *self;
        frames.read(&buf.filled()[before..], |stream, bytes| {
            ledger.given_back(stream, bytes, Instant::now());
        });
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn window_updates_are_found_however_the_bytes_are_cut() {
        let bytes = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, 0, &[8; 36]),
            frame(WINDOW_UPDATE, 0, &[0, 1, 0, 0]),
            frame(1, 1, &[]),
            frame(WINDOW_UPDATE, 1, &[0x80, 0, 0, 5]),
            frame(0, 3, &[8; 300]),
            frame(WINDOW_UPDATE, 0x8000_0003, &[0, 0, 1, 0]),
        ]
        .concat();
        for piece in [1, 2, 9, 13, 50, 1000] {
            let mut told = Vec::new();
            let mut frames = Frames::new();
            for piece in bytes.chunks(piece) {
                frames.read(piece, |stream, bytes| told.push((stream, bytes)));
            }
            assert_eq!(told, [(0, 65_536), (1, 5), (3, 256)], "in pieces of {piece}");
        }
    }
}
