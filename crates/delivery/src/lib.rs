//! Shards: few threads that own many plain sockets, and write what is due straight from the log.
//!
//! The way of a message: the log notes news at a shard's desk and rings → the shard takes a run of
//! messages, encoded and joined once → every socket in step gets the same bytes with one send. Whoever is not
//! in step (just joined, blocked, behind a gap, skipped over) is attended to by itself, through
//! [`Session::collect`](tricast_core::Session::collect): that is the truth, and the run only its shortcut.

mod broadcast;
mod conn;
mod critical;
mod handoff;
mod inbox;
mod send;
mod shard;
mod shards;
mod subscribers;
#[cfg(test)]
mod tests;
mod timers;
mod uring;

pub use critical::spawn_critical;
pub use handoff::Handoff;
pub use send::{SendMode, SendOp, Sender};
pub use shards::{ShardConfig, Shards, ShardsGuard};
