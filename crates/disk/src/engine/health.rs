//! Whether the disk takes messages.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tricast_core::{EngineError, Health};

/// A full disk is tried at most this often.
const PAUSE: Duration = Duration::from_millis(100);

/// A disk that has not taken a batch for so long is taken for one that hangs.
const STALL: Duration = Duration::from_secs(10);

/// What keeps messages from the disk.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// Nothing.
    Live,
    /// There was no room the last time.
    Full {
        since: Instant,
        /// When a message may try again.
        next: Instant,
    },
    /// The disk has failed; this is the end of the log until the next start.
    Failed { why: Arc<str> },
}

impl Condition {
    /// Refuses a message, if it cannot be published at `now`.
    pub(super) fn admit(&mut self, is_logged: bool, now: Instant) -> Result<(), EngineError> {
        match self {
            Condition::Full { next, .. } if is_logged => {
                if now < *next {
                    return Err(EngineError::Full);
                }
                *next = now + PAUSE;
                Ok(())
            }
            Condition::Live | Condition::Full { .. } => Ok(()),
            Condition::Failed { why } => Err(EngineError::Unavailable(why.to_string())),
        }
    }

    /// Notes whether there is room; true if that is new.
    pub(super) fn set_full(&mut self, full: bool, now: Instant) -> bool {
        match (&self, full) {
            (Condition::Live, true) => *self = Condition::Full { since: now, next: now + PAUSE },
            (Condition::Full { since, .. }, true) => {
                *self = Condition::Full { since: *since, next: now + PAUSE };
                return false;
            }
            (Condition::Full { .. }, false) => *self = Condition::Live,
            (Condition::Live, false) | (Condition::Failed { .. }, _) => return false,
        }
        true
    }

    pub(super) fn is_full(&self) -> bool {
        matches!(self, Condition::Full { .. })
    }

    /// Notes that the disk has failed; true if that is new.
    pub(super) fn fail(&mut self, why: &str) -> bool {
        if matches!(self, Condition::Failed { .. }) {
            return false;
        }
        *self = Condition::Failed { why: why.into() };
        true
    }

    /// Returns the health at `now`; the writer has been `busy` with one batch since then.
    pub(super) fn health(&self, lag: u64, busy: Option<Instant>, now: Instant) -> Health {
        match (self, busy) {
            (Condition::Live, Some(since)) if now.duration_since(since) >= STALL => Health::Away {
                since,
                why: "the disk of the log does not answer; publishes wait for it, look at the disk"
                    .into(),
            },
            (condition, _) => condition.health_of(lag),
        }
    }

    fn health_of(&self, lag: u64) -> Health {
        match self {
            Condition::Live => Health::Live { lag },
            Condition::Full { since, .. } => Health::Away {
                since: *since,
                why: "the disk of the log is full; make room, or lower log.bytes".into(),
            },
            Condition::Failed { why } => Health::Failed { why: why.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_tried_again_after_a_pause() {
        let now = Instant::now();
        let mut condition = Condition::Live;
        assert!(condition.set_full(true, now));
        assert!(matches!(condition.admit(true, now), Err(EngineError::Full)));
        assert!(condition.admit(false, now).is_ok(), "it is not written");
        assert!(condition.admit(true, now + PAUSE).is_ok());
        assert!(condition.admit(true, now + PAUSE).is_err(), "one at a time");
        assert!(!condition.set_full(true, now + PAUSE), "it is no news");
        assert!(
            matches!(condition.health(0, None, now), Health::Away { since, .. } if since == now)
        );
        assert!(condition.set_full(false, now));
        assert!(condition.health(0, None, now).is_live());
    }

    #[test]
    fn a_disk_that_hangs_is_away_until_it_answers() {
        let since = Instant::now();
        let condition = Condition::Live;
        let at = |now| condition.health(0, Some(since), now);
        assert!(at(since + STALL / 2).is_live());
        assert!(matches!(at(since + STALL), Health::Away { since: of, .. } if of == since));
        assert!(condition.health(0, None, since + STALL).is_live());
    }

    #[test]
    fn a_failed_disk_stays_failed() {
        let now = Instant::now();
        let mut condition = Condition::Live;
        assert!(condition.fail("an I/O error"));
        assert!(!condition.fail("another"));
        assert!(!condition.set_full(false, now));
        let refused = condition.admit(false, now);
        assert!(matches!(refused, Err(EngineError::Unavailable(why)) if why == "an I/O error"));
    }
}
