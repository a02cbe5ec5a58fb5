//! The expiry of a stream with its token, and the warning before it.

use std::time::{Duration, Instant};

use crate::{Access, Expiring, SessionConfig, clock};

/// Longer than any stream lasts, and short enough for the clock.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The time at which a stream expires.
#[derive(Debug)]
pub(crate) struct Expiry {
    at: Instant,
    /// The time of the warning; `None` after it.
    warn_at: Option<Instant>,
}

/// The action that is due.
pub(crate) enum Due {
    /// The end of the stream.
    Expired,
    /// The warning; check again at this time.
    Warn(Expiring, Instant),
    /// Nothing; check again at this time.
    CheckAt(Instant),
}

impl Expiry {
    /// Returns the expiry that `access` sets for its stream, if it sets one.
    pub(crate) fn of(access: &dyn Access, config: &SessionConfig) -> Option<Box<Self>> {
        access.expires().map(|at| Box::new(Self::new(at, config.expiry_warning)))
    }

    /// Makes an expiry at `at` (milliseconds since 1970), with a warning this long before.
    pub(crate) fn new(at: u64, warning: Duration) -> Self {
        let left = Duration::from_millis(at.saturating_sub(clock::unix_millis()));
        let left = left.min(MAX_LIFETIME);
        let now = Instant::now();
        Self { at: now + left, warn_at: Some(now + left.saturating_sub(warning)) }
    }

    /// Checks what is due at `now`. The warning is due once.
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
    fn the_warning_is_due_once_and_then_the_end() {
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
