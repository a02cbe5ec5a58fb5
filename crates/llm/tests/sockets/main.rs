//! Upstreams over real sockets, played by a server of bytes.

mod probing;
mod runs;
mod stub;
