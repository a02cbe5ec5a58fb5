//! WebSocket (RFC 6455): how messages are spelled on this wire, its handshake, and what clients say.

mod answer;
mod close;
mod command;
mod command_handler;
mod compressed;
mod decoder;
mod deflate;
mod fields;
mod format;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handshake;
mod inbound;
mod kinds;
mod limits;
mod socket;

pub use close::close_code;
pub use deflate::Window;
pub use format::{Ws, format};
pub use handshake::{Handshake, HandshakeError, HandshakeRequest, has_token};
pub use inbound::WsInbound;
pub use kinds::KINDS;
pub use limits::InboundLimits;
pub use socket::serve;
