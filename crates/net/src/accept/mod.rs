//! Accepting connections: sockets, the accept loop, and permits for handshakes.

pub(crate) mod accept_loop;
pub(crate) mod acceptor;
pub(crate) mod listen_socket;
pub(crate) mod permits;
