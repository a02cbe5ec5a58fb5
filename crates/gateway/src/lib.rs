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
mod departure;
mod door;
mod events;
mod exposition;
mod gateway;
mod key_command;
mod listener;
mod load;
mod look;
mod ndjson;
mod origin;
mod places;
mod presence;
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
mod token_command;

pub use gateway::Gateway;
pub use key_command::{KeyArgs, key};
pub use token_command::{TokenArgs, token};
