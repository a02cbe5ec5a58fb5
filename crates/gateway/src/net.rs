//! Connections: how they are accepted, prepared, served, and left by the streams that they carry.

mod departure;
mod door;
mod greeting;
mod http2;
mod listener;
mod listening;
mod places;
mod serving;
mod socket;
mod tls;

pub(crate) use departure::{Departure, head_of};
pub(crate) use door::Door;
pub(crate) use http2::Tunnel;
pub(crate) use listener::{Listener, Rules, SocketMeters};
pub(crate) use listening::Listening;
pub(crate) use socket::Line;
pub(crate) use tls::Certificate;
