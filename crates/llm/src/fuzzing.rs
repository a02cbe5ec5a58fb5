//! What the fuzz target of answers reads; nothing else has it.

use crate::{Limits, Reading};

/// Begins an answer with so many choices and small bounds.
pub fn reading(choices: u32) -> Reading {
    let limits = Limits { event_bytes: 1000, answer_bytes: 1500 };
    Reading::new(choices, limits, Default::default())
}
