//! A client's socket: gives up when its peer takes nothing for too long, and can be asked whether the
//! peer is still there while the HTTP library looks elsewhere.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use metrics::Counter;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::{
    accept::permits::HandshakePermit,
    conn::{detach::Detach, response_budget::ResponseBudget},
    peer::Peer,
};

/// The most that is read and thrown away when a streaming client sends on.
const DISCARD_MAX: usize = 64 * 1024;

/// What a request's handler may know of the connection under it, and leave with it.
#[derive(Clone, Debug)]
pub struct ConnHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    info: ConnInfo,
    request_received: AtomicBool,
    bytes_discarded: AtomicBool,
    /// Something was written, and the end of the write not seen.
    write_pending: AtomicBool,
    /// Its place among those without an answer.
    handshake_permit: Mutex<Option<HandshakePermit>>,
    can_detach: bool,
    detach: Mutex<Option<Detach>>,
    response_budget: ResponseBudget,
}

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnInfo {
    /// Whom it connects to, as far as connections tell.
    pub(crate) peer: Peer,
    /// The client's end of it is encrypted, here or at a proxy that says so.
    pub(crate) encrypted: bool,
    /// The bytes on the socket are not those that the HTTP library reads.
    pub(crate) wrapped: bool,
}

impl ConnHandle {
    /// `place` is kept until the first answer is under way, or by a stream that leaves.
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
            bytes_discarded: false.into(),
            write_pending: false.into(),
            handshake_permit: Mutex::new(handshake_permit),
            can_detach,
            detach: Mutex::default(),
            response_budget: ResponseBudget::default(),
        }))
    }

    /// Whom it connects to.
    pub fn peer(&self) -> Peer {
        self.0.info.peer
    }

    /// Whether the client speaks TLS, as far as connections tell.
    pub fn is_encrypted(&self) -> bool {
        self.0.info.encrypted
    }

    /// Room for answers that are made whole.
    pub fn response_budget(&self) -> &ResponseBudget {
        &self.0.response_budget
    }

    /// Whether a stream may leave with this connection.
    pub fn can_detach(&self) -> bool {
        self.0.can_detach
    }

    /// From here on the connection belongs to this stream.
    pub fn detach(&self, detach: Detach) {
        *self.0.detach.lock() = Some(detach);
    }

    /// Adds the head to a stream that is to leave; whether there is one.
    pub(crate) fn set_head(&self, head: impl FnOnce() -> Bytes) -> bool {
        match &mut *self.0.detach.lock() {
            Some(detach) => {
                detach.head = head();
                true
            }
            None => false,
        }
    }

    /// The stream that is to leave, once it has its head and nothing older is on its way out.
    pub(crate) fn take_detach(&self) -> Option<Detach> {
        if !self.0.can_detach || self.0.write_pending.load(Ordering::Relaxed) {
            return None;
        }
        let mut detach = self.0.detach.lock();
        detach.take_if(|detach| !detach.head.is_empty())
    }

    /// Gives up the connection's place.
    pub fn release_handshake_permit(&self) {
        *self.0.handshake_permit.lock() = None;
    }

    /// The socket and its place, from the last who knows them.
    pub(crate) fn into_socket(
        self,
    ) -> Option<(io::Result<std::net::TcpStream>, Option<HandshakePermit>)> {
        let shared = Arc::into_inner(self.0)?;
        Some((shared.stream.into_std(), shared.handshake_permit.into_inner()))
    }

    /// A whole request has come.
    pub(crate) fn set_request_received(&self) {
        self.0.request_received.store(true, Ordering::Relaxed);
    }

    /// Whether a whole request has ever come.
    pub(crate) fn has_received_request(&self) -> bool {
        self.0.request_received.load(Ordering::Relaxed)
    }

    /// Whether the peer has ended the connection. hyper stops reading once a client has sent anything
    /// behind its request, and would not see the end; a stream has no use for such bytes.
    pub fn peer_has_closed(&self) -> bool {
        if self.0.info.wrapped {
            return self.peer_has_hung_up();
        }
        let mut discarded = [0; 4096];
        for _ in 0..DISCARD_MAX / discarded.len() {
            match self.0.stream.try_read(&mut discarded) {
                Ok(0) => return true,
                Ok(_) => self.0.bytes_discarded.store(true, Ordering::Relaxed),
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// The same where what is read is not ours to throw away.
    fn peer_has_hung_up(&self) -> bool {
        let mut polled = [PollFd::new(&self.0.stream, PollFlags::RDHUP)];
        poll(&mut polled, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// After the end of a stream: if bytes were thrown away, what follows them cannot be read as a request,
    /// and the connection ends.
    pub fn close_if_bytes_discarded(&self) {
        if self.0.bytes_discarded.load(Ordering::Relaxed) {
            // The HTTP library sees the end behind what it holds.
            let _ = SockRef::from(&self.0.stream).shutdown(std::net::Shutdown::Read);
        }
    }

    /// Whether the peer can take more.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.stream.poll_write_ready(cx).map(|_| ())
    }

    /// Makes the end of this connection a reset, so that nobody takes it for the end of the data.
    pub fn reset_on_close(&self) {
        // A socket that is gone already needs no reset.
        let _ = SockRef::from(&self.0.stream).set_linger(Some(Duration::ZERO));
    }
}

/// The socket as the HTTP library sees it. Fails a write that makes no progress for `patience`;
/// keeps `lease` for as long as the socket is open, whatever protocol it is upgraded to.
#[derive(Debug)]
pub(crate) struct Socket<Permit> {
    conn: ConnHandle,
    /// What was read before, to be read again.
    read_ahead: Bytes,
    stall_timeout: Duration,
    stalled: Counter,
    /// Runs only while a write waits, so that an idle connection pays nothing for it.
    stall_timer: Option<Pin<Box<Sleep>>>,
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

    /// What it was made from.
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
                    return Poll::Ready(done);
                }
            }
        }
        let stall_timeout = self.stall_timeout;
        let timer = self.stall_timer.get_or_insert_with(|| Box::pin(sleep(stall_timeout)));
        ready!(timer.as_mut().poll(cx));
        self.stalled.increment(1);
        let message = "the peer took next to nothing for stream.stall_timeout";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
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
            // Into memory that was never touched: to clear it first would make it resident.
            match stream.try_read_buf(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done.map(|_| ())),
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

    /// The HTTP library comes here only when it has nothing more to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.0.write_pending.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.conn.0.stream).shutdown(std::net::Shutdown::Write))
    }
}
