//! Every behaviour once more, over the generic delivery.

#[path = "main.rs"]
mod behaviour;
