//! Connections: how they are accepted, prepared, served, and left by the streams that they carry.

mod departure;
mod door;
mod doorman;
mod greeting;
mod http2;
mod listener;
mod listening;
mod meters;
mod places;
mod room;
mod serving;
mod socket;
mod tls;

pub(crate) use departure::{Departure, head_of};
pub(crate) use door::Door;
pub(crate) use http2::Tunnel;
pub(crate) use listener::{Listener, Rules};
pub(crate) use listening::Listening;
pub(crate) use meters::SocketMeters;
pub(crate) use room::{Progress, Share};
pub(crate) use socket::Line;
pub(crate) use tls::Certificate;
