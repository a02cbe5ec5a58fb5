//! The listening sockets of a gateway: bound by it, or inherited.

pub(crate) mod inherited;
pub(crate) mod listeners;
