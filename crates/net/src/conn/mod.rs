//! One connection: its limits, its preamble, TLS, HTTP/1.1, and how a stream detaches from it.

pub(crate) mod departure_watch;
pub(crate) mod detach;
pub(crate) mod limits;
pub(crate) mod preamble;
pub(crate) mod response_budget;
pub(crate) mod server;
pub(crate) mod serving;
pub(crate) mod socket;
pub(crate) mod tls;
