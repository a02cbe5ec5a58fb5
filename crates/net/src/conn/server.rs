//! What becomes of a connection: it gets a place among the sockets, is prepared, and is served.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use mio::net::TcpStream;
use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tricast_delivery::Shards;

use crate::{
    conn::{
        limits::{AddressLimitReached, AddressLimiter, AddressPermit, ConnPermit, SocketLimit},
        serving::{AcceptedConn, serve},
    },
    metrics::{OpenGauge, SocketMeters},
    peer::{Peer, TrustedPeers},
};

/// The kernel tells that a socket can be written when less than this is unsent. Without it a
/// reader that stalls takes megabytes of kernel memory before anything is felt.
const UNSENT_LOW_WATER: u32 = 16 * 1024;

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long a connection that has said something, but asked for nothing whole, has left when the gateway goes down.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(250);

/// What a connection gets that the process has no descriptor to spare for.
const SOCKET_LIMIT_RESPONSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What a connection gets whose address has as many as it may.
const ADDRESS_LIMIT_RESPONSE: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How the connections of one listening socket are served.
pub struct ConnServer {
    /// Answers the requests.
    pub router: Router,
    /// Limits and timeouts.
    pub config: ConnConfig,
    /// Metrics of sockets.
    pub meters: SocketMeters,
    /// Counts the connections, so that a shutdown can wait for them.
    pub tasks: TaskTracker,
    /// Where connections are served.
    pub runtime: tokio::runtime::Handle,
    /// Cancelled when the gateway stops accepting requests.
    pub stop: CancellationToken,
    /// The gateway goes down: nobody should come back on a connection that is open.
    pub draining: CancellationToken,
    /// PROXY headers, which every connection of a trusted proxy begins with.
    pub proxy_headers: Option<ProxyHeaders>,
    /// Where streams go; without shards they stay with the HTTP library.
    pub shards: Option<Shards>,
    /// Counts the connections of each address.
    pub address_limiter: Option<Arc<dyn AddressLimiter>>,
    /// Connections are encrypted.
    pub tls: Option<TlsAcceptor>,
}

/// The PROXY headers that trusted proxies have to send.
pub struct ProxyHeaders {
    trusted: Arc<dyn TrustedPeers>,
    last_warning: Mutex<Option<Instant>>,
}

impl ProxyHeaders {
    /// Demands a header from each peer that `trusted` trusts.
    pub fn new(trusted: Arc<dyn TrustedPeers>) -> Self {
        Self { trusted, last_warning: Mutex::default() }
    }
}

/// What holds for every connection of a listener.
#[derive(Clone, Debug)]
pub struct ConnConfig {
    /// Largest request head.
    pub head_bytes: usize,
    /// Time for a handshake or a request head.
    pub head_timeout: Duration,
    /// Time without progress after which a write fails.
    pub stall_timeout: Duration,
    /// Sockets that may be open at once.
    pub sockets: SocketLimit,
}

impl std::fmt::Debug for ConnServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl ConnServer {
    /// Waits until the gateway goes down and those who have begun to speak have had their time to ask. A request that has arrived
    /// may still be on its way through the runtime when the gateway stops, so `stop` alone would cut it.
    pub(crate) async fn shutdown_grace_elapsed(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    }

    /// Whether there is room for one more connection.
    pub(crate) fn has_capacity(&self) -> bool {
        self.config.sockets.has_capacity()
    }

    /// Prepares a connection; `None` when there is no room for it, or it has gone.
    pub(crate) fn accept(&self, stream: &TcpStream, peer: &Peer) -> Option<ConnPermit> {
        let Ok(address_permit) = self.address_permit(*peer) else {
            self.meters.at_address_limit.increment(1);
            self.refuse(stream, ADDRESS_LIMIT_RESPONSE);
            return None;
        };
        let Some(permit) = self.config.sockets.try_acquire() else {
            self.meters.at_socket_limit.increment(1);
            self.refuse(stream, SOCKET_LIMIT_RESPONSE);
            return None;
        };
        let prepared = match peer {
            Peer::Ip(_) => set_socket_options(stream, &self.config),
            Peer::Unix | Peer::Unknown => Ok(()),
        };
        if let Err(error) = prepared {
            tracing::debug!(%error, "a connection went at once");
            return None;
        }
        let open = OpenGauge::new(self.meters.open.clone());
        Some(ConnPermit { _socket_permit: permit, _open: open, _address_permit: address_permit })
    }

    fn refuse(&self, mut stream: &TcpStream, response: &[u8]) {
        // A client that expects TLS could not read it.
        if self.tls.is_none() {
            // A new socket takes as much; if this one does not, its peer has gone.
            let _ = stream.write(response);
        }
    }

    /// Tells the operator that a proxy does not send the header that the settings demand of it: now and then, not for each connection.
    pub(crate) fn warn_missing_proxy_header(&self, peer: Peer, error: &io::Error) {
        const WARN_INTERVAL: Duration = Duration::from_secs(60);
        self.meters.missing_proxy_header.increment(1);
        let Some(headers) = &self.proxy_headers else { return };
        let mut last_warning = headers.last_warning.lock();
        if last_warning.is_none_or(|at| at.elapsed() >= WARN_INTERVAL) {
            *last_warning = Some(Instant::now());
            tracing::warn!(%error, ?peer, "a connection is refused: have this proxy send the header, or set proxy.protocol = false");
        }
    }

    fn address_permit(&self, peer: Peer) -> Result<Option<AddressPermit>, AddressLimitReached> {
        match &self.address_limiter {
            Some(limiter) => limiter.acquire(peer),
            None => Ok(None),
        }
    }

    /// Whether a connection of `peer` has to begin with a PROXY header.
    pub(crate) fn expects_proxy_header(&self, peer: Peer) -> bool {
        self.proxy_headers.as_ref().is_some_and(|headers| headers.trusted.trusts_peer(peer))
    }

    /// Serves a connection on the runtime.
    pub(crate) fn serve(self: &Arc<Self>, accepted: AcceptedConn) {
        self.tasks.spawn_on(serve(self.clone(), accepted), &self.runtime);
    }
}

fn set_socket_options(stream: &TcpStream, config: &ConnConfig) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_LOW_WATER)?;
    // A peer that is gone without a word: unacknowledged data ends the connection, and where
    // nothing is sent the kernel asks, and gives up by the same time.
    socket.set_tcp_user_timeout(Some(config.stall_timeout))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))
}
