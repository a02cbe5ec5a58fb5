//! What does not depend on the bytes around a message, over HTTP/2 over TLS, all clients of a test on one connection.

mod channels;
mod commands;
mod drain;
mod identity;
mod online;
mod publish;
mod resume;
mod silence;
mod tokens;
