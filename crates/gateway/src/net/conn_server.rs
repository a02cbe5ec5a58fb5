//! What becomes of a connection: it gets a place among the sockets, is prepared, and is served.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, http::HeaderMap};
use mio::net::TcpStream;
use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tricast_admission::{AddressSeat, Crowds};
use tricast_core::Denied;
use tricast_delivery::Shards;

use crate::{
    http::{forwarded, forwarded::Peer},
    net::{
        conn::serving::{Arrival, serve},
        metrics::{Open, SocketMeters},
    },
    settings::{Proxy, Settings},
};

/// The kernel tells that a socket can be written when less than this is unsent. Without it a
/// reader that stalls takes megabytes of kernel memory before anything is felt.
const UNSENT_LOW_WATER: u32 = 16 * 1024;

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long a connection that has said something, but asked for nothing whole, has left when the gateway goes down.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What a connection gets that the process has no descriptor to spare for.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What a connection gets whose address has as many as it may.
const CROWDED: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How the connections of one listening socket are served.
pub(crate) struct Listener {
    pub(crate) router: Router,
    pub(crate) rules: Rules,
    pub(crate) meters: SocketMeters,
    pub(crate) tasks: TaskTracker,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) stop: CancellationToken,
    /// The gateway goes down: nobody should come back on a connection that is open.
    pub(crate) draining: CancellationToken,
    /// Connections begin with a PROXY header, if they come from trusted proxies.
    pub(crate) takes_proxy_headers: bool,
    /// When somebody was last told that one has none.
    pub(crate) told_of_proxies: Mutex<Option<Instant>>,
    /// Where streams go; without shards they stay with the HTTP library.
    pub(crate) shards: Option<Shards>,
    /// Who counts the connections of each address.
    pub(crate) crowds: Option<Arc<Crowds>>,
    /// Connections are encrypted.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// What holds for every connection of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) head_bytes: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) proxy: Arc<Proxy>,
    sockets: Arc<Semaphore>,
}

impl Rules {
    pub(crate) fn new(settings: &Settings, sockets: usize) -> Self {
        Self {
            head_bytes: settings.limits.head_bytes.as_u64() as usize,
            head_timeout: settings.limits.head_timeout,
            stall_timeout: settings.stream.stall_timeout,
            proxy: Arc::new(settings.proxy.clone()),
            sockets: Arc::new(Semaphore::new(sockets.min(Semaphore::MAX_PERMITS))),
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    /// Waits until the gateway goes down and those who have begun to speak have had their time to ask. A request that has arrived
    /// may still be on its way through the runtime when the gateway stops, so `stop` alone would cut it.
    pub(crate) async fn last_words(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    }

    /// Whether there is room for one more connection.
    pub(crate) fn has_room(&self) -> bool {
        self.rules.sockets.available_permits() > 0
    }

    /// Prepares a connection; `None` when there is no room for it, or it has gone.
    pub(crate) fn admit(&self, stream: &TcpStream, peer: &Peer) -> Option<Lease> {
        let Ok(seat) = self.seat_of(*peer) else {
            self.meters.crowded.increment(1);
            self.refuse(stream, CROWDED);
            return None;
        };
        let Ok(permit) = self.rules.sockets.clone().try_acquire_owned() else {
            self.meters.full.increment(1);
            self.refuse(stream, FULL);
            return None;
        };
        let prepared = match peer {
            Peer::Ip(_) => prepare(stream, &self.rules),
            Peer::Unix | Peer::Unknown => Ok(()),
        };
        if let Err(error) = prepared {
            tracing::debug!(%error, "a connection went at once");
            return None;
        }
        let open = Open::new(self.meters.open.clone());
        Some(Lease { _permit: permit, _open: open, _seat: seat })
    }

    fn refuse(&self, mut stream: &TcpStream, answer: &[u8]) {
        // A client that expects TLS could not read it.
        if self.tls.is_none() {
            // A new socket takes as much; if this one does not, its peer has gone.
            let _ = stream.write(answer);
        }
    }

    /// Tells the operator that a proxy does not send the header that the settings demand of it: now and then, not for each connection.
    pub(crate) fn miss_proxy_header(&self, peer: Peer, error: &io::Error) {
        const HUSH: Duration = Duration::from_secs(60);
        self.meters.unproxied.increment(1);
        let mut told = self.told_of_proxies.lock();
        if told.is_none_or(|told| told.elapsed() >= HUSH) {
            *told = Some(Instant::now());
            tracing::warn!(%error, ?peer, "a connection is refused: have this proxy send the header, or set proxy.protocol = false");
        }
    }

    /// A place among the connections of a client's address. Those of proxies are everybody's.
    fn seat_of(&self, peer: Peer) -> Result<Option<Box<AddressSeat>>, Denied> {
        let Some(crowds) = &self.crowds else { return Ok(None) };
        match forwarded::client_address(peer, &HeaderMap::new(), &self.rules.proxy) {
            Some(address) => Ok(crowds.sit_at_door(address)?.map(Box::new)),
            None => Ok(None),
        }
    }

    /// Serves a connection on the runtime.
    pub(crate) fn serve(self: &Arc<Self>, arrival: Arrival) {
        self.tasks.spawn_on(serve(self.clone(), arrival), &self.runtime);
    }
}

fn prepare(stream: &TcpStream, rules: &Rules) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_LOW_WATER)?;
    // A peer that is gone without a word: unacknowledged data ends the connection, and where
    // nothing is sent the kernel asks, and gives up by the same time.
    socket.set_tcp_user_timeout(Some(rules.stall_timeout))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))
}

/// What a socket holds for as long as it is open.
#[derive(Debug)]
pub(crate) struct Lease {
    _permit: OwnedSemaphorePermit,
    _open: Open,
    /// Boxed, because most have none.
    _seat: Option<Box<AddressSeat>>,
}
