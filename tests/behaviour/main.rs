//! What Tricast promises (PROTOCOL.md), by subject.

mod admission;
mod architecture;
mod bytes;
mod channels;
mod deflate;
mod drain;
mod events;
mod hangup;
mod hook;
mod identity;
mod limits;
mod metrics;
mod online;
mod program;
mod publish;
mod refusals;
mod resume;
mod takeover;
mod talk;
mod tokens;
