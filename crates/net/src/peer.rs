//! The peer of a connection, and which peers are trusted proxies.

use std::net::SocketAddr;

/// The other end of a connection: as the socket reports it, or as a trusted proxy's PROXY header
/// does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address of TCP.
    Ip(SocketAddr),
    /// A process that may open the unix socket.
    Unix,
    /// A client that its proxy's PROXY header does not name. No address stands for it, and it is
    /// never trusted.
    Unknown,
}

/// Decides which peers are proxies whose PROXY headers are believed.
pub trait TrustedPeers: Send + Sync {
    /// Whether `peer` is a trusted proxy.
    fn trusts_peer(&self, peer: Peer) -> bool;
}
