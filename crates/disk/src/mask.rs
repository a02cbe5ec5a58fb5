//! The mask of data in which a record could hide.
//!
//! Behind damage, and behind a write that was cut off, a walk looks for whole records at every
//! byte. A publisher could send data that looks like a record, of any channel, and would wait for a
//! kill in the middle of its write. The seq of each record has a byte that is zero, so only data
//! with such a byte can hold a record. It is stored combined with bytes that nobody can foresee.

use std::hash::{BuildHasher as _, RandomState};

/// The length of a mask.
pub(crate) const MASK: usize = 4;

/// Whether a record can stand in `data`.
pub(crate) fn is_needed(data: &[u8]) -> bool {
    data.contains(&0)
}

/// Makes a mask.
pub(crate) fn make() -> [u8; MASK] {
    (RandomState::new().hash_one(MASK) as u32).to_le_bytes()
}

/// Masks data, or makes masked data what it was.
pub(crate) fn apply(mask: [u8; MASK], data: &mut [u8]) {
    for chunk in data.chunks_mut(MASK) {
        chunk.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}
