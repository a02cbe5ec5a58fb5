//! Wake-ups: of readers that wait in a task, of shards, and of the observer of occupancy.

pub(crate) mod connection;
pub(crate) mod occupancy;
pub(crate) mod shard;
pub(crate) mod waker;
