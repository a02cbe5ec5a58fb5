//! Observes the frames of an HTTP/2 connection for what the library does not report: when data was
//! sent, and when the client has updated its window (WINDOW_UPDATE, RFC 9113 §6.9).

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http2::flow_control::FlowControl;

/// Length of the client's preface, before its first frame.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// Length of a frame head: length, type, flags and stream.
const HEAD: usize = 9;

const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 8;

/// The effect of a frame on a flow-control window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlowEvent {
    /// Bytes of data were sent.
    Sent(u32),
    /// The window has grown by these bytes.
    WindowUpdate(u32),
}

/// A connection that reports its frames to flow control.
pub(crate) struct FrameSniffer<IO> {
    io: IO,
    incoming: FrameParser,
    outgoing: FrameParser,
    flow_control: Arc<FlowControl>,
}

/// Finds frame heads in a stream of bytes.
struct FrameParser {
    /// Bytes to skip.
    skip: usize,
    /// The head of a frame, and the four bytes of a window update.
    head: [u8; HEAD + 4],
    filled: usize,
}

impl<IO> FrameSniffer<IO> {
    pub(crate) fn new(io: IO, flow_control: Arc<FlowControl>) -> Self {
        Self {
            io,
            incoming: FrameParser::after_prefix(PREFACE),
            outgoing: FrameParser::after_prefix(0),
            flow_control,
        }
    }

    /// Observes bytes that were written.
    fn observe_written(&mut self, bytes: &[u8]) {
        let flow_control = &self.flow_control;
        self.outgoing.feed(bytes, |stream, event| {
            if let FlowEvent::Sent(bytes) = event {
                flow_control.add_sent(stream, bytes);
            }
        });
    }
}

impl FrameParser {
    /// Creates a parser of frames that begin after `skip` bytes.
    fn after_prefix(skip: usize) -> Self {
        Self { skip, head: [0; HEAD + 4], filled: 0 }
    }

    /// Parses more bytes, and reports events with their stream; stream 0 is the connection.
    fn feed(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(u32, FlowEvent)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let wanted = if self.is_update() { HEAD + 4 } else { HEAD };
            let taken = (wanted - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            let [a, b, c, kind, _, s0, s1, s2, s3, i0, i1, i2, i3] = self.head;
            // The first bit of each is reserved.
            let number = |bytes| u32::from_be_bytes(bytes) & (u32::MAX >> 1);
            if self.filled == HEAD && !self.is_update() {
                let length = u32::from_be_bytes([0, a, b, c]);
                if kind == DATA {
                    on_event(number([s0, s1, s2, s3]), FlowEvent::Sent(length));
                }
                self.skip = length as usize;
                self.filled = 0;
            } else if self.filled == HEAD + 4 {
                on_event(
                    number([s0, s1, s2, s3]),
                    FlowEvent::WindowUpdate(number([i0, i1, i2, i3])),
                );
                self.filled = 0;
            }
        }
    }

    /// Whether a whole head of a window update was read. One of another length is an error, which
    /// the library finds.
    fn is_update(&self) -> bool {
        self.filled >= HEAD && self.head[..4] == [0, 0, 4, WINDOW_UPDATE]
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for FrameSniffer<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let Self { incoming, flow_control, .. } = &mut *self;
        incoming.feed(&buf.filled()[before..], |stream, event| {
            if let FlowEvent::WindowUpdate(bytes) = event {
                flow_control.window_updated(stream, bytes, Instant::now());
            }
        });
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for FrameSniffer<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.observe_written(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?;
        let mut left = count;
        for slice in slices {
            let part = left.min(slice.len());
            self.observe_written(&slice[..part]);
            left -= part;
        }
        Poll::Ready(Ok(count))
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
    fn data_and_window_updates_are_found_however_the_bytes_are_cut() {
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
            let mut events = Vec::new();
            let mut frames = FrameParser::after_prefix(PREFACE);
            for piece in bytes.chunks(piece) {
                frames.feed(piece, |stream, event| events.push((stream, event)));
            }
            let expected = [
                (0, FlowEvent::WindowUpdate(65_536)),
                (1, FlowEvent::WindowUpdate(5)),
                (3, FlowEvent::Sent(300)),
                (3, FlowEvent::WindowUpdate(256)),
            ];
            assert_eq!(events, expected, "in pieces of {piece}");
        }
    }
}
