//! WebSocket (RFC 6455): how messages are spelled on this wire, its handshake, and what clients say.

mod close;
mod command;
mod decoder;
mod deflate;
mod ear;
mod fields;
mod format;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handshake;
mod packed;
mod rules;
mod socket;
mod speaker;

pub use close::close_code;
pub use deflate::Window;
pub use ear::WsInbound;
pub use format::{Ws, format};
pub use handshake::{HandshakeRequest, Handshake, HandshakeError, has_token};
pub use rules::InboundLimits;
pub use socket::serve;
