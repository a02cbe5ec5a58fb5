//! The server of connections: it applies limits to new ones, sets their socket options, and serves
//! them.

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

/// Bytes in the send buffer below which the kernel reports a socket as writable. Without it a
/// stalled reader takes megabytes of kernel memory before backpressure is felt.
const UNSENT_LOW_WATER: u32 = 16 * 1024;

/// Silence after which the kernel probes whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Time left for incomplete requests when the gateway shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(250);

/// The response to a connection above the limit of open sockets.
const SOCKET_LIMIT_RESPONSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\
    Tricast-Problem: too-many-connections\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The response to a connection above the limit of its address.
const ADDRESS_LIMIT_RESPONSE: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n\
    Tricast-Problem: too-many-from-address\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Serves the connections of one listening socket.
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
    /// Cancelled when connection draining begins: no open connection should take another request.
    pub draining: CancellationToken,
    /// PROXY headers, which every connection of a trusted proxy begins with.
    pub proxy_headers: Option<ProxyHeaders>,
    /// Shards that detached streams go to; without shards streams stay with the HTTP library.
    pub shards: Option<Shards>,
    /// Counts the connections of each address.
    pub address_limiter: Option<Arc<dyn AddressLimiter>>,
    /// Speaks TLS, if connections are encrypted.
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

/// Limits and timeouts of every connection of a listener.
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
        f.write_str("ConnServer")
    }
}

impl ConnServer {
    /// Waits until the gateway stops and incomplete requests have had their grace time. A request
    /// that has arrived may still be on its way through the runtime, so `stop` alone would cut it.
    pub(crate) async fn shutdown_grace_elapsed(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    }

    /// Whether one more socket may be open.
    pub(crate) fn has_capacity(&self) -> bool {
        self.config.sockets.has_capacity()
    }

    /// Applies the limits and sets the options of a new connection; `None` if it is refused or
    /// gone.
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
            tracing::debug!(%error, "a connection closed before its options were set");
            return None;
        }
        let open = OpenGauge::new(self.meters.open.clone());
        Some(ConnPermit { _socket_permit: permit, _open: open, _address_permit: address_permit })
    }

    fn refuse(&self, mut stream: &TcpStream, response: &[u8]) {
        // A client that expects TLS cannot read a plain response.
        if self.tls.is_none() {
            // The buffer of a new socket is large enough; if this fails, the peer has gone.
            let _ = stream.write(response);
        }
    }

    /// Warns that a trusted proxy sends no PROXY header; at intervals, not for every connection.
    pub(crate) fn warn_missing_proxy_header(&self, peer: Peer, error: &io::Error) {
        const WARN_INTERVAL: Duration = Duration::from_secs(60);
        self.meters.missing_proxy_header.increment(1);
        let Some(headers) = &self.proxy_headers else { return };
        let mut last_warning = headers.last_warning.lock();
        if last_warning.is_none_or(|at| at.elapsed() >= WARN_INTERVAL) {
            *last_warning = Some(Instant::now());
            tracing::warn!(
                %error,
                ?peer,
                "connection refused; have this proxy send a PROXY header, or set \
                 proxy.protocol = false"
            );
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
    // For a peer that is gone without a FIN: unacknowledged data ends the connection, and while
    // nothing is sent the kernel probes the peer, and gives up after the same time.
    socket.set_tcp_user_timeout(Some(config.stall_timeout))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))
}

#[cfg(test)]
mod tests {
    use tricast_core::Kind;

    use super::*;

    #[test]
    fn a_connection_that_is_refused_unread_is_told_the_problem_in_a_header() {
        for (response, kind) in [
            (SOCKET_LIMIT_RESPONSE, Kind::TooManyConnections),
            (ADDRESS_LIMIT_RESPONSE, Kind::TooManyFromAddress),
        ] {
            let response = String::from_utf8_lossy(response);
            let field = format!("\r\nTricast-Problem: {}\r\n", kind.name());
            assert!(response.contains(&field), "{response}");
        }
    }
}
