//! The Tricast gateway: settings, admission, the HTTP surface, and the wiring of it all.
//! `main.rs` is the program; tests start a [`Gateway`] in their own process.

mod admin;
mod admission;
mod app;
mod atomic_file;
mod body;
mod budget;
mod check_command;
mod chunks;
mod connections;
mod dashboard;
mod doctor_command;
mod document;
mod events;
mod exposition;
mod forwarded;
mod gateway;
mod handover;
mod inherited;
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
mod service;
pub mod settings;
mod stream;
mod stream_body;
mod subscribe;
pub mod telemetry;
mod token_command;

pub use check_command::{CheckArgs, check};
pub use doctor_command::{DoctorArgs, doctor};
pub use gateway::{Bound, Gateway};
pub use handover::{Program, Successor};
pub use inherited::Inherited;
pub use key_command::{KeyArgs, key};
pub use service::Service;
pub use token_command::{TokenArgs, token};
