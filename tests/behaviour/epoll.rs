//! Every behaviour once more, over shards that do without io_uring.

#[path = "main.rs"]
mod behaviour;
