//! Connections on their way to a shard.

use std::any::Any;

use bytes::Bytes;
use tricast_core::{Inbound, Session};

/// A connection on its way to a shard.
pub struct Handoff {
    /// The socket, in non-blocking mode.
    pub socket: std::net::TcpStream,
    /// The bytes to write before the stream: the head of the response.
    pub head: Bytes,
    /// The session that the stream is read from.
    pub session: Session,
    /// The decoder of the peer's bytes; without one they are thrown away.
    pub inbound: Option<Box<dyn Inbound>>,
    /// Bytes of the peer's that were read with its request.
    pub read_ahead: Bytes,
    /// Kept until the socket is closed.
    pub permit: Box<dyn Any + Send>,
    /// Kept until the shard has added the connection.
    pub handshake_permit: Box<dyn Any + Send>,
}
