//! A check of frame lengths, for the generic delivery: its library takes a length that is written
//! with more bytes than it needs, which RFC 6455 §5.2 forbids.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::decoder::is_shortest_length;

/// The largest part of a header up to the end of its length.
const LENGTH_END: usize = 10;

/// A connection whose frames are checked as they are read.
pub(crate) struct CheckedLengths<IO> {
    io: IO,
    frames: Frames,
}

/// Where a connection is among its frames.
struct Frames {
    /// The begin of a header whose length is not complete.
    header: [u8; LENGTH_END],
    header_read: usize,
    /// Bytes of mask and payload that belong to the current frame.
    rest: u64,
    /// A frame was wrong, so that the bytes after it are no frames any more.
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Checking,
    /// The error is to be returned by the next read.
    Failing,
    /// The error has been returned.
    Failed,
}

/// The length of a frame breaks RFC 6455 §5.2.
#[derive(Debug)]
pub(crate) struct BadLength;

impl std::error::Error for BadLength {}

impl fmt::Display for BadLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame's length is written with more bytes than it needs")
    }
}

impl<IO> CheckedLengths<IO> {
    pub(crate) fn new(io: IO) -> Self {
        let frames =
            Frames { header: [0; LENGTH_END], header_read: 0, rest: 0, state: State::Checking };
        Self { io, frames }
    }
}

impl Frames {
    /// Follows the frames in `bytes`. Returns how many bytes come before a wrong length is
    /// complete, if there is one.
    fn follow(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.rest > 0 {
                let count =
                    (bytes.len() - at).min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest -= count as u64;
                at += count;
                continue;
            }
            self.header[self.header_read] = bytes[at];
            self.header_read += 1;
            if !self.take_header() {
                return Err(at);
            }
            at += 1;
        }
        Ok(())
    }

    /// Takes the header once its length is complete. Returns `false` if the length is wrong.
    fn take_header(&mut self) -> bool {
        let header = &self.header[..self.header_read];
        let [_, second, extended @ ..] = header else { return true };
        let size = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if extended.len() < size {
            return true;
        }
        let short = u64::from(second & 0x7f);
        let long = extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let length = if size == 0 { short } else { long };
        if !is_shortest_length(*second, length) {
            return false;
        }
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        self.rest = length + mask;
        self.header_read = 0;
        true
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for CheckedLengths<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.frames.state == State::Failing {
            self.frames.state = State::Failed;
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, BadLength)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if self.frames.state == State::Checking
            && let Err(good) = self.frames.follow(&buf.filled()[before..])
        {
            // The frames before it count.
            self.frames.state = State::Failing;
            buf.set_filled(before + good);
            if good == 0 {
                return self.poll_read(cx, buf);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for CheckedLengths<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
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
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Reads all of `bytes`, `size` at a time. Returns what came before the error, if one came.
    async fn read(bytes: &[u8], size: usize) -> (Vec<u8>, bool) {
        let (mut io, mut all) = (CheckedLengths::new(bytes), Vec::new());
        let mut piece = vec![0; size];
        loop {
            match io.read(&mut piece).await {
                Ok(0) => return (all, false),
                Ok(count) => all.extend_from_slice(&piece[..count]),
                Err(error) => {
                    assert!(error.get_ref().is_some_and(|inner| inner.is::<BadLength>()));
                    return (all, true);
                }
            }
        }
    }

    #[tokio::test]
    async fn what_comes_before_a_bad_length_is_read() {
        let short = b"\x89\x81\0\0\0\0x".to_vec();
        let medium = [&b"\x82\xfe\0\x7e\0\0\0\0"[..], &[0xfe; 126]].concat();
        let large = [&b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0"[..], &[0xff; 65_536]].concat();
        let good = [short, medium, large, b"\x8a\x80\0\0\0\0".to_vec()].concat();
        for size in [1, 3, 1000, 100_000] {
            assert_eq!(read(&good, size).await, (good.clone(), false), "{size}");
            for bad in [
                &b"\x82\xfe\0\x7d"[..],
                b"\x82\xff\0\0\0\0\0\0\xff\xff",
                b"\x82\xff\x80\0\0\0\0\0\0\0",
            ] {
                let (read, is_refused) = read(&[&good, bad, b"more"].concat(), size).await;
                assert!(is_refused && read.starts_with(&good), "{size}: {bad:x?}");
                assert!(read.len() < good.len() + bad.len(), "{size}: {bad:x?}");
            }
        }
    }
}
