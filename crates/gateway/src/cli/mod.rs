//! The commands of the program other than `serve`.

pub(crate) mod atomic_file;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod log;
pub(crate) mod token;
pub(crate) mod usage;
