//! Connections: how they are accepted, prepared, served, and left by the streams that they carry.

pub(crate) mod accept;
pub(crate) mod address;
pub(crate) mod conn;
pub(crate) mod http2;
pub(crate) mod metrics;
pub(crate) mod peer;

pub(crate) use self::metrics::SocketMeters;
pub(crate) use accept::acceptor::Acceptor;
pub(crate) use accept::listen_socket::ListenSocket;
pub use address::Address;
pub(crate) use conn::detach::{Detach, encode_head};
pub(crate) use conn::limits::{AddressLimitReached, AddressLimiter, AddressPermit, SocketLimit};
pub(crate) use conn::response_budget::{ReadProgress, ResponsePermit};
pub(crate) use conn::server::{ConnConfig, ConnServer, ProxyHeaders};
pub(crate) use conn::socket::ConnHandle;
pub(crate) use conn::tls::Certificate;
pub(crate) use http2::Tunnel;
pub(crate) use peer::{Peer, TrustedPeers};
