//! Connections: how they are accepted, prepared, served, and left by the streams that they carry.

mod departure;
mod door;
mod listener;
mod places;
mod serving;
mod socket;

pub(crate) use departure::{Departure, head_of};
pub(crate) use door::Door;
pub(crate) use listener::{Listener, Rules, SocketMeters, bind};
pub(crate) use socket::Line;
