//! The log on disk: what readers and publishers notice of a restart, and what keeps a gateway from
//! starting.

mod catch_up;
mod full;
mod power;
mod presence;
mod process;
mod restart;
mod settings;
mod tools;
mod visible;
