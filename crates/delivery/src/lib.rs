//! Shards: a few threads that own many plain sockets and write messages to them straight from the
//! log. Each is an event loop over epoll, and sends through io_uring if that is asked for.
//!
//! The path of a message: the log marks the channel as dirty for each shard with subscribers and
//! wakes the shard → the shard takes a batch of messages, encoded and joined once → every socket
//! whose reader is aligned with the batch gets the same bytes with one send. That is the fast path.
//!
//! A reader that is not aligned (it has just joined, its socket is full, it is after a gap, or a
//! message is hidden from it) takes the slow path: it reads the log by itself, through
//! [`Session::collect`](tricast_core::Session::collect). A slow consumer so delays no other reader.
//! The session is the oracle: the batch must write what the session would have written.

mod broadcast;
mod conn;
mod conns;
mod critical;
mod formats;
mod handoff;
mod inbox;
mod io;
mod send;
mod shard;
mod shards;
mod subscribers;
#[cfg(test)]
mod tests;
mod timers;
mod turns;
mod uring;

pub use critical::spawn_critical;
pub use handoff::Handoff;
pub use send::{SendMode, SendOp, Sender};
pub use shards::{ShardConfig, Shards, ShardsGuard};
