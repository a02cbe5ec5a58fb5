//! Connections: how they are accepted, prepared, served, and left by the streams that they carry.

pub(crate) mod accept;
pub(crate) mod conn;
pub(crate) mod conn_server;
pub(crate) mod http2;
pub(crate) mod metrics;

pub(crate) use self::metrics::SocketMeters;
pub(crate) use accept::acceptor::Door;
pub(crate) use accept::listen_socket::Listening;
pub(crate) use conn::detach::{Departure, head_of};
pub(crate) use conn::room::{Progress, Share};
pub(crate) use conn::socket::Line;
pub(crate) use conn::tls::Certificate;
pub(crate) use conn_server::{Listener, Rules};
pub(crate) use http2::Tunnel;
