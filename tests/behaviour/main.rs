//! What Tricast promises (PROTOCOL.md), by subject.

mod admission;
mod architecture;
mod browsers;
mod bytes;
mod channels;
mod commands;
mod connections;
mod crowds;
mod deflate;
mod drain;
mod hangup;
mod identity;
mod jwks;
mod limits;
mod metrics;
mod namespaces;
mod online;
mod program;
mod publish;
mod rates;
mod refusals;
mod resume;
mod secrets;
mod takeover;
mod talk;
mod tokens;
