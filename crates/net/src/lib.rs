//! Connections: how they are accepted, limited, and served, and how streams detach from them.
//!
//! An [`Acceptor`] owns the thread of one [`ListenSocket`]. It hands each connection that has sent
//! its first bytes to a [`ConnServer`], which reads the PROXY header, speaks TLS, and serves
//! HTTP/1.1 or HTTP/2 with the routes that it was given. A handler finds the [`ConnHandle`] of its
//! connection among the extensions of the request. A stream may leave HTTP/1.1 with its socket
//! ([`ConnHandle::detach`]); a shard of `tricast-delivery` then writes to it.
//!
//! The caller decides which peers are trusted proxies ([`TrustedPeers`]) and how many connections
//! an address may have ([`AddressLimiter`]).

mod accept;
mod address;
mod conn;
mod http2;
mod metrics;
mod peer;

pub use accept::{acceptor::Acceptor, listen_socket::ListenSocket};
pub use address::Address;
pub use conn::{
    detach::{Detach, encode_head},
    limits::{AddressLimitReached, AddressLimiter, AddressPermit, SocketLimit},
    response_budget::{ReadProgress, ResponseBudget, ResponsePermit},
    server::{ConnConfig, ConnServer, ProxyHeaders},
    socket::{AwaitedStream, ConnHandle},
    tls::Certificate,
};
pub use http2::{Protocol, StreamStall, Tunnel, TunnelIo};
pub use metrics::SocketMeters;
pub use peer::{Peer, TrustedPeers};
pub use tokio_rustls::TlsAcceptor;
