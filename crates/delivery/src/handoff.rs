//! A connection on its way to a shard.

use std::any::Any;

use bytes::Bytes;
use tricast_core::{Inbound, Session};

/// A connection on its way to a shard.
pub struct Handoff {
    /// Its socket, not blocking.
    pub socket: std::net::TcpStream,
    /// What has to be written before the stream: the answer's head.
    pub head: Bytes,
    /// The stream.
    pub session: Session,
    /// What makes sense of the peer's bytes; without one they are thrown away.
    pub inbound: Option<Box<dyn Inbound>>,
    /// The peer's bytes that were read already.
    pub read_ahead: Bytes,
    /// Kept until the socket is closed.
    pub permit: Box<dyn Any + Send>,
    /// Kept until the shard has taken the connection in.
    pub handshake_permit: Box<dyn Any + Send>,
}
