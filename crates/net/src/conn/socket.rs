//! A client's socket: writes fail when the peer reads nothing for too long (slow consumer), and the
//! handlers of its requests share a handle of it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{http::Version, response::Response};
use bytes::Bytes;
use metrics::Counter;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tricast_core::{AwakeSleep, StreamEnd};

use crate::{
    accept::permits::HandshakePermit,
    conn::{
        detach::{Detach, encode_head},
        response_budget::ResponseBudget,
    },
    peer::Peer,
};

/// A handle of the connection, for the handlers of its requests. A handler may leave a stream with
/// it.
#[derive(Clone, Debug)]
pub struct ConnHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    info: ConnInfo,
    request_received: AtomicBool,
    /// Whether the response under way is a stream that the library writes.
    streaming: AtomicBool,
    /// Whether a request for a stream waits for its answer.
    awaits_stream: AtomicBool,
    /// Whether the library has written something and not flushed it.
    write_pending: AtomicBool,
    /// How the connection ended, as far as its socket has shown it.
    end: OnceLock<StreamEnd>,
    /// Held until the first response is under way.
    handshake_permit: Mutex<Option<HandshakePermit>>,
    can_detach: bool,
    detach: Mutex<Option<Detach>>,
    response_budget: ResponseBudget,
}

/// The time in which a request for a stream waits for its answer.
#[derive(Debug)]
pub struct AwaitedStream(ConnHandle);

impl Drop for AwaitedStream {
    fn drop(&mut self) {
        self.0.0.awaits_stream.store(false, Ordering::Relaxed);
    }
}

/// Properties of a connection, known before its first request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnInfo {
    /// The peer as seen by the transport (socket or PROXY header).
    pub(crate) peer: Peer,
    /// Whether the client uses TLS, here or towards a proxy that reports it.
    pub(crate) encrypted: bool,
}

/// The destination of a response.
pub(crate) enum ResponseRoute {
    /// The HTTP library writes it.
    Http(Response),
    /// Its stream detaches, and writes its head.
    Detached,
}

impl ConnHandle {
    /// Creates the handle. `handshake_permit` is held until the first response is under way, or by
    /// a stream that detaches.
    pub(crate) fn new(
        stream: TcpStream,
        info: ConnInfo,
        can_detach: bool,
        handshake_permit: Option<HandshakePermit>,
    ) -> Self {
        Self(Arc::new(Shared {
            stream,
            info,
            request_received: false.into(),
            streaming: false.into(),
            awaits_stream: false.into(),
            write_pending: false.into(),
            end: OnceLock::new(),
            handshake_permit: Mutex::new(handshake_permit),
            can_detach,
            detach: Mutex::default(),
            response_budget: ResponseBudget::default(),
        }))
    }

    /// Returns the peer as seen by the transport.
    pub fn peer(&self) -> Peer {
        self.0.info.peer
    }

    /// Whether the client uses TLS, here or towards a proxy.
    pub fn is_encrypted(&self) -> bool {
        self.0.info.encrypted
    }

    /// Returns the memory budget for whole responses of this connection.
    pub fn response_budget(&self) -> &ResponseBudget {
        &self.0.response_budget
    }

    /// Whether a stream may detach with the socket of this connection.
    pub fn can_detach(&self) -> bool {
        self.0.can_detach
    }

    /// Leaves the socket of this connection to a stream, once the response has its head.
    pub fn detach(&self, detach: Detach) {
        *self.0.detach.lock() = Some(detach);
    }

    /// Decides where a response goes: if a stream detaches, the stream takes its head.
    pub(crate) fn route_response(&self, response: Response, version: Version) -> ResponseRoute {
        match &mut *self.0.detach.lock() {
            Some(detach) => {
                detach.head = encode_head(response, version);
                ResponseRoute::Detached
            }
            None => ResponseRoute::Http(response),
        }
    }

    /// Takes the stream that detaches, once it has its head and the library has nothing left to
    /// write.
    pub(crate) fn take_detach(&self) -> Option<Detach> {
        if !self.0.can_detach || self.0.write_pending.load(Ordering::Relaxed) {
            return None;
        }
        let mut detach = self.0.detach.lock();
        detach.take_if(|detach| !detach.head.is_empty())
    }

    /// Gives the handshake permit back.
    pub fn release_handshake_permit(&self) {
        *self.0.handshake_permit.lock() = None;
    }

    /// Takes the socket and its handshake permit if this is the last reference.
    pub(crate) fn into_socket(
        self,
    ) -> Option<(io::Result<std::net::TcpStream>, Option<HandshakePermit>)> {
        let shared = Arc::into_inner(self.0)?;
        Some((shared.stream.into_std(), shared.handshake_permit.into_inner()))
    }

    /// Records that a whole request has arrived.
    pub(crate) fn set_request_received(&self) {
        self.0.request_received.store(true, Ordering::Relaxed);
    }

    /// Whether a whole request has ever arrived.
    pub(crate) fn has_received_request(&self) -> bool {
        self.0.request_received.load(Ordering::Relaxed)
    }

    /// Returns how the connection ended; `None` while its socket has shown no end.
    pub fn end(&self) -> Option<StreamEnd> {
        self.0.end.get().copied()
    }

    /// Records how the connection ended. Returns whether this is the first end, which stays.
    pub(crate) fn record_end(&self, end: StreamEnd) -> bool {
        self.0.end.set(end).is_ok()
    }

    /// Gives up a stream that was about to detach when its connection ended.
    pub(crate) fn drop_detach(&self) {
        let detach = self.0.detach.lock().take();
        if let (Some(mut detach), Some(end)) = (detach, self.end()) {
            detach.session.record_end(end);
        }
    }

    /// Records that a request for a stream waits for its answer, while the guard lives. A client
    /// that closes its sending side meanwhile has left, and its request is dropped: otherwise
    /// clients that give up would take the places of others, such as those of the hook.
    #[must_use]
    pub fn await_stream(&self) -> AwaitedStream {
        self.0.awaits_stream.store(true, Ordering::Relaxed);
        AwaitedStream(self.clone())
    }

    /// Whether a request for a stream waits for its answer.
    pub(crate) fn awaits_stream(&self) -> bool {
        self.0.awaits_stream.load(Ordering::Relaxed)
    }

    /// Records that the response is a stream, whose client is expected to stay. When the client
    /// closes its sending side, it has left.
    pub fn begin_stream(&self) {
        self.0.streaming.store(true, Ordering::Relaxed);
    }

    /// Records that the stream has come to its end. The client may send another request.
    pub fn end_stream(&self) {
        self.0.streaming.store(false, Ordering::Relaxed);
    }

    /// Whether the response under way is a stream that the library writes.
    pub(crate) fn is_streaming(&self) -> bool {
        self.0.streaming.load(Ordering::Relaxed)
    }

    /// Ready when the socket accepts more bytes.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.stream.poll_write_ready(cx).map(|_| ())
    }

    /// Closes the connection with a reset, so that its end cannot be taken for the end of the data.
    pub fn reset_on_close(&self) {
        // A socket that is closed already needs no reset.
        let _ = SockRef::from(&self.0.stream).set_linger(Some(Duration::ZERO));
    }
}

/// The socket as the HTTP library sees it. A write that makes no progress for `stall_timeout`
/// fails.
/// `permit` is held for as long as the socket is open, whatever protocol it is upgraded to.
#[derive(Debug)]
pub(crate) struct Socket<Permit> {
    conn: ConnHandle,
    /// Bytes that were read before, to be read again.
    read_ahead: Bytes,
    stall_timeout: Duration,
    stalled: Counter,
    /// Runs only while a write waits, so that an idle connection has no timer.
    stall_timer: Option<AwakeSleep>,
    permit: Permit,
}

impl<Permit> Socket<Permit> {
    pub(crate) fn new(
        conn: ConnHandle,
        read_ahead: Bytes,
        (stall_timeout, stalled): (Duration, Counter),
        permit: Permit,
    ) -> Self {
        Self { conn, read_ahead, stall_timeout, stalled, stall_timer: None, permit }
    }

    /// Takes the socket apart.
    pub(crate) fn into_parts(self) -> (ConnHandle, Bytes, Permit) {
        (self.conn, self.read_ahead, self.permit)
    }

    fn write_or_time_out(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.conn.0.write_pending.store(true, Ordering::Relaxed);
        let stream = &self.conn.0.stream;
        while let Poll::Ready(writable) = stream.poll_write_ready(cx) {
            writable?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    self.stall_timer = None;
                    return Poll::Ready(done.map_err(|error| self.failed(error)));
                }
            }
        }
        let stall_timeout = self.stall_timeout;
        let timer = self.stall_timer.get_or_insert_with(|| AwakeSleep::new(stall_timeout));
        ready!(timer.poll_elapsed(cx));
        let message = "the peer read next to nothing for stream.stall_timeout";
        Poll::Ready(Err(self.failed(io::Error::new(io::ErrorKind::TimedOut, message))))
    }

    /// Records an error that ends the connection.
    fn failed(&self, error: io::Error) -> io::Error {
        let end = StreamEnd::of_error(error.kind());
        if self.conn.record_end(end) && end == StreamEnd::Stalled {
            self.stalled.increment(1);
        }
        error
    }
}

impl<Permit: Unpin> AsyncRead for Socket<Permit> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read_ahead.is_empty() {
            let count = self.read_ahead.len().min(buf.remaining());
            buf.put_slice(&self.read_ahead.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let stream = &self.conn.0.stream;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            // Reads into uninitialised memory: clearing it first would make it resident.
            match stream.try_read_buf(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) if buf.remaining() > 0 => {
                    self.conn.record_end(StreamEnd::Left);
                    return Poll::Ready(Ok(()));
                }
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(self.failed(error))),
            }
        }
    }
}

impl<Permit: Unpin> AsyncWrite for Socket<Permit> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_or_time_out(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_or_time_out(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The HTTP library flushes only when it has nothing more to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.0.write_pending.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.conn.0.stream).shutdown(std::net::Shutdown::Write))
    }
}
