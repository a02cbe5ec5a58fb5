//! What the log on disk holds, as core asks for it.

use tricast_core::{Extent, Hole};

use crate::{Reader, gathering::holes};

/// What is there below the rings.
pub(super) fn extent_of(reader: &Reader) -> Extent {
    let segments = reader.shared.segments();
    let after = reader.floor();
    let holes = holes(&segments, &reader.shared, after, reader.head());
    let holes = holes.into_iter().map(|(first, last)| Hole { first, last }).collect();
    Extent { after, holes }
}
