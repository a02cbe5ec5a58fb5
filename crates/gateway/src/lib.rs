//! The Tricast gateway: settings, admission, the HTTP surface, and the wiring of it all.
//! `main.rs` is the program; tests start a [`Gateway`] in their own process.

mod admin;
mod app;
mod body;
mod chunks;
mod dashboard;
mod departure;
mod door;
mod gateway;
mod listener;
mod look;
mod ndjson;
mod origin;
mod places;
mod problem;
mod publish;
mod query;
mod resume;
mod routes;
mod serving;
pub mod settings;
mod socket;
mod stream;
mod stream_body;
mod subscribe;
pub mod telemetry;

pub use gateway::Gateway;
