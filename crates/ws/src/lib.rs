//! The WebSocket wire (RFC 6455): the encoding of messages, the handshake, and clients' commands.

mod answer;
mod checked_lengths;
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
mod prompts;
mod publish_window;
mod socket;

pub use close::close_code;
pub use deflate::Window;
pub use format::{Ws, format};
pub use handshake::{Handshake, HandshakeError, HandshakeRequest, has_token};
pub use inbound::WsInbound;
pub use kinds::KINDS;
pub use limits::InboundLimits;
pub use prompts::{Cancelled, PromptCommand, PromptContent, PromptFuture, Prompted, Prompts};
pub use socket::serve;
