//! The Tricast gateway: settings, admission, the HTTP surface, and the wiring of it all.
//! `main.rs` is the program; tests start a [`Gateway`] in their own process.

mod address;
mod admin;
mod admission;
mod app;
mod body;
mod budget;
mod chunks;
mod connections;
mod dashboard;
mod events;
mod exposition;
mod gateway;
mod key_command;
mod load;
mod look;
mod ndjson;
mod net;
mod origin;
mod presence;
mod problem;
mod publish;
mod query;
mod resume;
mod routes;
pub mod settings;
mod stream;
mod stream_body;
mod subscribe;
pub mod telemetry;
mod token_command;

pub use gateway::Gateway;
pub use key_command::{KeyArgs, key};
pub use token_command::{TokenArgs, token};
