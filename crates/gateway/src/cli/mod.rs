//! The commands of the program beside serving.

pub(crate) mod atomic_file;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod token;
