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
    http::forwarded::Peer,
    net::{
        accept::permits::Place,
        conn::{detach::Departure, room::Room},
    },
};

/// The most that is read and thrown away when a streaming client sends on.
const IGNORED_AT_ONCE: usize = 64 * 1024;

/// What a request's handler may know of the connection under it, and leave with it.
#[derive(Clone, Debug)]
pub(crate) struct Line(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    told: Told,
    asked: AtomicBool,
    ignored: AtomicBool,
    /// Something was written, and the end of the write not seen.
    unsent: AtomicBool,
    /// Its place among those without an answer.
    place: Mutex<Option<Place>>,
    may_depart: bool,
    departure: Mutex<Option<Departure>>,
    room: Room,
}

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Whom it connects to, as far as connections tell.
    pub(crate) peer: Peer,
    /// The client's end of it is encrypted, here or at a proxy that says so.
    pub(crate) encrypted: bool,
    /// The bytes on the socket are not those that the HTTP library reads.
    pub(crate) wrapped: bool,
}

impl Line {
    /// `place` is kept until the first answer is under way, or by a stream that leaves.
    pub(crate) fn new(
        stream: TcpStream,
        told: Told,
        may_depart: bool,
        place: Option<Place>,
    ) -> Self {
        Self(Arc::new(Shared {
            stream,
            told,
            asked: false.into(),
            ignored: false.into(),
            unsent: false.into(),
            place: Mutex::new(place),
            may_depart,
            departure: Mutex::default(),
            room: Room::new(),
        }))
    }

    /// Whom it connects to.
    pub(crate) fn peer(&self) -> Peer {
        self.0.told.peer
    }

    /// Whether the client speaks TLS, as far as connections tell.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.told.encrypted
    }

    /// Room for answers that are made whole.
    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    /// Whether a stream may leave with this connection.
    pub(crate) fn may_depart(&self) -> bool {
        self.0.may_depart
    }

    /// From here on the connection belongs to this stream.
    pub(crate) fn depart(&self, departure: Departure) {
        *self.0.departure.lock() = Some(departure);
    }

    /// Adds the head to a stream that is to leave; whether there is one.
    pub(crate) fn set_head(&self, head: impl FnOnce() -> Bytes) -> bool {
        match &mut *self.0.departure.lock() {
            Some(departure) => {
                departure.head = head();
                true
            }
            None => false,
        }
    }

    /// The stream that is to leave, once it has its head and nothing older is on its way out.
    pub(crate) fn take_departure(&self) -> Option<Departure> {
        if !self.0.may_depart || self.0.unsent.load(Ordering::Relaxed) {
            return None;
        }
        let mut departure = self.0.departure.lock();
        departure.take_if(|departure| !departure.head.is_empty())
    }

    /// Gives up the connection's place.
    pub(crate) fn leave_place(&self) {
        *self.0.place.lock() = None;
    }

    /// The socket and its place, from the last who knows them.
    pub(crate) fn into_socket(self) -> Option<(io::Result<std::net::TcpStream>, Option<Place>)> {
        let shared = Arc::into_inner(self.0)?;
        Some((shared.stream.into_std(), shared.place.into_inner()))
    }

    /// A whole request has come.
    pub(crate) fn set_asked(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
    }

    /// Whether a whole request has ever come.
    pub(crate) fn was_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Whether the peer has ended the connection. hyper stops reading once a client has sent anything
    /// behind its request, and would not see the end; a stream has no use for such bytes.
    pub(crate) fn has_ended(&self) -> bool {
        if self.0.told.wrapped {
            return self.has_hung_up();
        }
        let mut ignored = [0; 4096];
        for _ in 0..IGNORED_AT_ONCE / ignored.len() {
            match self.0.stream.try_read(&mut ignored) {
                Ok(0) => return true,
                Ok(_) => self.0.ignored.store(true, Ordering::Relaxed),
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// The same where what is read is not ours to throw away.
    fn has_hung_up(&self) -> bool {
        let mut looked = [PollFd::new(&self.0.stream, PollFlags::RDHUP)];
        poll(&mut looked, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// After the end of a stream: if bytes were thrown away, what follows them cannot be read as a request,
    /// and the connection ends.
    pub(crate) fn end_if_torn(&self) {
        if self.0.ignored.load(Ordering::Relaxed) {
            // The HTTP library sees the end behind what it holds.
            let _ = SockRef::from(&self.0.stream).shutdown(std::net::Shutdown::Read);
        }
    }

    /// Whether the peer can take more.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.stream.poll_write_ready(cx).map(|_| ())
    }

    /// Makes the end of this connection a reset, so that nobody takes it for the end of the data.
    pub(crate) fn end_with_reset(&self) {
        // A socket that is gone already needs no reset.
        let _ = SockRef::from(&self.0.stream).set_linger(Some(Duration::ZERO));
    }
}

/// The socket as the HTTP library sees it. Fails a write that makes no progress for `patience`;
/// keeps `lease` for as long as the socket is open, whatever protocol it is upgraded to.
#[derive(Debug)]
pub(crate) struct Socket<Lease> {
    line: Line,
    /// What was read before, to be read again.
    ahead: Bytes,
    patience: Duration,
    stalled: Counter,
    /// Runs only while a write waits, so that an idle connection pays nothing for it.
    waiting: Option<Pin<Box<Sleep>>>,
    lease: Lease,
}

impl<Lease> Socket<Lease> {
    pub(crate) fn new(
        line: Line,
        ahead: Bytes,
        (patience, stalled): (Duration, Counter),
        lease: Lease,
    ) -> Self {
        Self { line, ahead, patience, stalled, waiting: None, lease }
    }

    /// What it was made from.
    pub(crate) fn into_parts(self) -> (Line, Bytes, Lease) {
        (self.line, self.ahead, self.lease)
    }

    fn write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.line.0.unsent.store(true, Ordering::Relaxed);
        let stream = &self.line.0.stream;
        while let Poll::Ready(writable) = stream.poll_write_ready(cx) {
            writable?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    self.waiting = None;
                    return Poll::Ready(done);
                }
            }
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(cx));
        self.stalled.increment(1);
        let what = "the peer took next to nothing for stream.stall_timeout";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }
}

impl<Lease: Unpin> AsyncRead for Socket<Lease> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let stream = &self.line.0.stream;
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

impl<Lease: Unpin> AsyncWrite for Socket<Lease> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_with(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_with(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The HTTP library comes here only when it has nothing more to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.0.unsent.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.line.0.stream).shutdown(std::net::Shutdown::Write))
    }
}
