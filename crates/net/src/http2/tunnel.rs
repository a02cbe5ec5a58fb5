//! Tunnels over HTTP/2 streams, for WebSockets by extended CONNECT (RFC 8441).

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::RecvStream;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use crate::http2::{
    SEND_BUFFER,
    response_sender::{SendWindow, broken},
};

/// The tunnel of a request, among the extensions of that request. The response opens it.
#[derive(Clone, Debug)]
pub struct Tunnel(Arc<Mutex<Option<oneshot::Receiver<TunnelIo>>>>);

/// Opens a tunnel once the response is sent.
pub(crate) struct TunnelOpener {
    received: RecvStream,
    opened: oneshot::Sender<TunnelIo>,
}

/// The bytes of a tunnel.
pub struct TunnelIo {
    received: RecvStream,
    unread: Bytes,
    window: SendWindow,
}

pub(crate) fn pair(received: RecvStream) -> (TunnelOpener, Tunnel) {
    let (opened, opens) = oneshot::channel();
    (TunnelOpener { received, opened }, Tunnel(Arc::new(Mutex::new(Some(opens)))))
}

impl TunnelOpener {
    pub(crate) fn open(self, window: SendWindow) {
        let io = TunnelIo { received: self.received, unread: Bytes::new(), window };
        // A handler that needs no tunnel has dropped it.
        let _ = self.opened.send(io);
    }
}

impl Tunnel {
    /// Waits until the response has opened the tunnel; `None` if it never does.
    pub async fn opened(self) -> Option<TunnelIo> {
        let opens = self.0.lock().take()?;
        opens.await.ok()
    }
}

impl std::fmt::Debug for TunnelIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TunnelIo")
    }
}

impl AsyncRead for TunnelIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.received.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => self.unread = data.map_err(broken)?,
            }
        }
        let count = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        // The window is returned as bytes are read (backpressure).
        self.received.flow_control().release_capacity(count).map_err(broken)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TunnelIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.window.poll_allowance(cx, bytes.len()))?;
        self.window
            .send(Bytes::copy_from_slice(&bytes[..room.min(bytes.len()).min(SEND_BUFFER)]))
            .into()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The task of the connection writes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.window.end())
    }
}

/// Ends the stream instead of resetting it: a reset would lose the bytes in the queue of the
/// library, such as a close frame.
impl Drop for TunnelIo {
    fn drop(&mut self) {
        // A stream that is reset already cannot be ended.
        let _ = self.window.end();
    }
}
