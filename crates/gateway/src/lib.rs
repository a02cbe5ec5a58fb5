//! The Tricast gateway: settings, admission, the HTTP surface, and the wiring of it all.
//! `main.rs` is the program; tests start a [`Gateway`] in their own process.

mod admin;
mod cli;
mod dashboard;
mod http;
mod lifecycle;
mod relay;
pub mod settings;
mod webhook;

pub use cli::check::{CheckArgs, check};
pub use cli::doctor::{DoctorArgs, doctor};
pub use cli::key::{KeyArgs, key};
pub use cli::log::{LogArgs, log};
pub use cli::token::{TokenArgs, token};
pub use cli::usage::with_tip;
pub use lifecycle::gateway::{BoundAddress, Gateway};
pub use lifecycle::handover::{Program, Successor};
pub use lifecycle::open_files::check as check_open_files;
pub use lifecycle::reload::ReloadReport;
pub use lifecycle::service::Service;
pub use lifecycle::sockets::inherited::Inherited;
pub use lifecycle::telemetry;
