//! What does not depend on the bytes around a message, over HTTP/1.1 over TLS.

mod channels;
mod commands;
mod drain;
mod identity;
mod online;
mod publish;
mod resume;
mod silence;
mod tokens;
