//! The end of a stream that ends with its token, and the warning before it.

use std::time::{Duration, Instant};

use crate::{Expiring, clock};

/// Longer than any stream lasts, and near enough for the clock.
const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);

/// When a stream ends.
#[derive(Debug)]
pub(crate) struct Expiry {
    at: Instant,
    /// When to warn; `None` once that is done.
    warns: Option<Instant>,
}

/// What is due of it.
pub(crate) enum Due {
    /// The end.
    Over,
    /// The warning; look again at this time.
    Soon(Expiring, Instant),
    /// Nothing; look again at this time.
    Later(Instant),
}

impl Expiry {
    /// Ends at `at` (milliseconds since 1970) and warns so long before.
    pub(crate) fn new(at: u64, warning: Duration) -> Self {
        let left = Duration::from_millis(at.saturating_sub(clock::unix_millis()));
        let left = left.min(FAR);
        let now = Instant::now();
        Self { at: now + left, warns: Some(now + left.saturating_sub(warning)) }
    }

    /// What is due at `now`. The warning is due once.
    pub(crate) fn look(&mut self, now: Instant) -> Due {
        if now >= self.at {
            return Due::Over;
        }
        match self.warns {
            Some(at) if now < at => Due::Later(at),
            Some(_) => {
                self.warns = None;
                let left = (self.at - now).as_millis() as u64;
                Due::Soon(Expiring { left }, self.at)
            }
            None => Due::Later(self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_once_and_ends() {
        let second = Duration::from_secs(1);
        let mut expiry = Expiry::new(clock::unix_millis() + 10_000, 3 * second);
        let at = expiry.at;
        assert!(
            matches!(expiry.look(at - 5 * second), Due::Later(when) if when == at - 3 * second)
        );
        assert!(matches!(expiry.look(at - 2 * second), Due::Soon(soon, _) if soon.left == 2000));
        assert!(matches!(expiry.look(at - second), Due::Later(when) if when == at));
        assert!(matches!(expiry.look(at), Due::Over));
    }

    #[test]
    fn an_end_beyond_all_clocks_is_none() {
        let mut expiry = Expiry::new(u64::MAX, Duration::from_secs(1));
        assert!(matches!(expiry.look(Instant::now()), Due::Later(_)));
    }
}
