//! The end of a stream that ends with its token, and the warning before it.

use std::time::{Duration, Instant};

use crate::{Access, Expiring, SessionConfig, clock};

/// Longer than any stream lasts, and near enough for the clock.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// When a stream ends.
#[derive(Debug)]
pub(crate) struct Expiry {
    at: Instant,
    /// When to warn; `None` once that is done.
    warn_at: Option<Instant>,
}

/// What is due of it.
pub(crate) enum Due {
    /// The end.
    Expired,
    /// The warning; look again at this time.
    Warn(Expiring, Instant),
    /// Nothing; look again at this time.
    CheckAt(Instant),
}

impl Expiry {
    /// The end that `access` sets to its stream, if it sets one.
    pub(crate) fn of(access: &dyn Access, config: &SessionConfig) -> Option<Box<Self>> {
        access.expires().map(|at| Box::new(Self::new(at, config.expiry_warning)))
    }

    /// Ends at `at` (milliseconds since 1970) and warns so long before.
    pub(crate) fn new(at: u64, warning: Duration) -> Self {
        let left = Duration::from_millis(at.saturating_sub(clock::unix_millis()));
        let left = left.min(MAX_LIFETIME);
        let now = Instant::now();
        Self { at: now + left, warn_at: Some(now + left.saturating_sub(warning)) }
    }

    /// What is due at `now`. The warning is due once.
    pub(crate) fn check(&mut self, now: Instant) -> Due {
        if now >= self.at {
            return Due::Expired;
        }
        match self.warn_at {
            Some(at) if now < at => Due::CheckAt(at),
            Some(_) => {
                self.warn_at = None;
                let left = (self.at - now).as_millis() as u64;
                Due::Warn(Expiring { left }, self.at)
            }
            None => Due::CheckAt(self.at),
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
            matches!(expiry.check(at - 5 * second), Due::CheckAt(when) if when == at - 3 * second)
        );
        assert!(matches!(expiry.check(at - 2 * second), Due::Warn(soon, _) if soon.left == 2000));
        assert!(matches!(expiry.check(at - second), Due::CheckAt(when) if when == at));
        assert!(matches!(expiry.check(at), Due::Expired));
    }

    #[test]
    fn an_expiry_beyond_the_clock_never_comes() {
        let mut expiry = Expiry::new(u64::MAX, Duration::from_secs(1));
        assert!(matches!(expiry.check(Instant::now()), Due::CheckAt(_)));
    }
}
