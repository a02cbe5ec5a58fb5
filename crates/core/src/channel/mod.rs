//! Channel names, patterns of names, and the rules of a namespace.

pub(crate) mod name;
pub(crate) mod pattern;
pub(crate) mod rules;
