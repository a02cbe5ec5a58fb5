//! WebSocket (RFC 6455): how messages are spelled on this wire, its handshake, and what clients say.

mod close;
mod command;
mod decoder;
mod ear;
mod format;
mod frame;
mod handshake;
mod socket;
mod speaker;

pub use close::close_code;
pub use ear::WsEar;
pub use format::{JSON, RAW};
pub use handshake::{HandshakeError, accept, has_token};
pub use socket::serve;
