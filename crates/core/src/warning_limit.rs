//! Holds back lines of the log that one cause writes again and again, for example when no file
//! descriptor is left. They would fill a disk.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Least time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one line a second through, and counts the others.
#[derive(Debug, Default)]
pub struct WarningLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl WarningLimit {
    /// Creates a limit, for a `static` beside the line.
    pub const fn new() -> Self {
        Self(Mutex::new(State { last: None, suppressed: 0 }))
    }

    /// Returns how many lines were held back before this one; `None` if this one is held back too.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_passes_and_says_how_many_did_not() {
        let (limit, begin) = (WarningLimit::new(), Instant::now());
        let passed: Vec<_> =
            (0..45).filter_map(|step| limit.pass_at(begin + step * INTERVAL / 20)).collect();
        assert_eq!(passed, [0, 19, 19]);
    }
}
