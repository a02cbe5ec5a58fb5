//! The extent of what an engine stores below the rings.

use crate::{Hole, Seq};

/// What an engine's store has: every message of a logged channel above `after`, except in `holes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Messages up to here are gone.
    pub after: Seq,
    /// Ranges whose messages are lost, in order.
    pub holes: Vec<Hole>,
}

impl Extent {
    /// Whether a message above `after`, up to and including `until`, may be lost.
    pub fn may_have_lost(&self, after: Seq, until: Seq) -> bool {
        let overlaps = |hole: &Hole| hole.first <= until && hole.last > after;
        after < until && (self.after > after || self.holes.iter().any(overlaps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_complete_if_it_touches_no_hole_and_begins_above_the_start() {
        let extent = Extent { after: 10, holes: vec![Hole { first: 20, last: 29 }] };
        for (after, until, lost) in [
            (10, 19, false),
            (9, 19, true),
            (10, 20, true),
            (28, 40, true),
            (29, 40, false),
            (5, 5, false),
        ] {
            assert_eq!(extent.may_have_lost(after, until), lost, "{after}..={until}");
        }
    }
}
