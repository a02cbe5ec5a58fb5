//! Letting go of the oldest segments, by size and by age.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tricast_core::Seq;

use crate::{
    disk::remove_if_there,
    error::{AppendError, Failed},
    ledger::Ledger,
    meta::Meta,
    planted, room,
    segment::{INDEX, LOG, Segment, name_of},
    shared::Shared,
};

/// How much of the past a log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The most bytes of records. The segment that is written is never let go.
    pub bytes: u64,
    /// For how long a record is kept at least, in milliseconds; nothing is no limit.
    pub age: Option<u64>,
}

/// What was let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetGo {
    /// The number of segments.
    pub segments: usize,
    /// Their bytes of records.
    pub bytes: u64,
    /// Seqs up to this one are gone.
    pub floor: Seq,
    /// The clock is ahead of the log by more than the age. Nothing is let go by age before the
    /// process has run for that age, or the clock is right again: it may have been set wrong.
    pub clock_is_ahead: bool,
}

/// The time that retention goes by: never backwards, and not ahead with a clock that jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetentionClock {
    /// Milliseconds since 1970; 0 before the first reading.
    pub(crate) now: u64,
    /// For how many milliseconds the clock has been ahead.
    pub(crate) held: u64,
}

impl RetentionClock {
    /// Reads the clock `elapsed` milliseconds after the last reading; true if it is ahead.
    pub(crate) fn read(&mut self, now: u64, elapsed: u64, age: u64) -> bool {
        let expected = self.now.saturating_add(elapsed);
        let is_ahead = self.now > 0 && now > expected.saturating_add(age);
        self.held = if is_ahead { self.held.saturating_add(elapsed) } else { 0 };
        if is_ahead && self.held < age {
            self.now = expected;
            return true;
        }
        self.now = now.max(expected);
        self.held = 0;
        false
    }
}

/// What lets go of the past, while another thread appends.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    ballast: u64,
    /// Held while something is let go: one thread does that at a time.
    clock: Mutex<RetentionClock>,
}

impl Keeper {
    pub(crate) fn new(
        shared: Arc<Shared>,
        ledger: Arc<Ledger>,
        ballast: u64,
        clock: RetentionClock,
    ) -> Self {
        Self { shared, ledger, ballast, clock: Mutex::new(clock) }
    }

    fn lock(&self) -> MutexGuard<'_, RetentionClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that retention goes by.
    pub(crate) fn clock(&self) -> RetentionClock {
        *self.lock()
    }

    /// The same as [`Store::retain`](crate::Store::retain).
    pub(crate) fn retain(
        &self,
        retention: Retention,
        now: u64,
        elapsed: u64,
    ) -> Result<LetGo, AppendError> {
        let shared = &*self.shared;
        Failed::check(shared)?;
        let mut clock = self.lock();
        let mut let_go = LetGo { floor: shared.floor(), ..LetGo::default() };
        if let Some(age) = retention.age {
            let_go.clock_is_ahead = clock.read(now, elapsed, age);
        }
        let segments = shared.segments();
        let mut left: u64 = segments.iter().map(|segment| segment.summary().length).sum();
        // The newest is written.
        let written = segments.len().saturating_sub(1);
        for segment in &segments[..written] {
            let summary = segment.summary();
            let old = |age| clock.now.saturating_sub(summary.newest) >= age;
            if left <= retention.bytes && !retention.age.is_some_and(old) {
                break;
            }
            left -= summary.length;
            let_go.segments += 1;
            let_go.bytes += summary.length;
            let_go.floor = let_go.floor.max(summary.last);
        }
        if let_go.segments > 0 {
            let gone = &segments[..let_go.segments];
            self.write_floor(let_go.floor, *clock, gone[0].base)?;
            shared.let_go(let_go.floor, gone);
            let removed = gone.iter().try_for_each(|segment| self.remove(segment));
            removed.and_then(|()| shared.sync_names()).map_err(|error| self.explain(&error))?;
        }
        room::make_ballast(&*shared.disk, self.ballast).map_err(|error| self.explain(&error))?;
        Ok(let_go)
    }

    fn explain(&self, error: &io::Error) -> AppendError {
        AppendError::because(&self.shared, error)
    }

    /// Writes down what is let go, before it is. On a full disk an index gives the room: it can be
    /// made again.
    fn write_floor(
        &self,
        floor: Seq,
        clock: RetentionClock,
        oldest: Seq,
    ) -> Result<(), AppendError> {
        let note = |meta: &mut Meta| {
            (meta.floor, meta.retained_at, meta.held) = (floor, clock.now, clock.held);
        };
        if planted::FloorUnwritten.is_on() {
            self.ledger.amend(note);
            return Ok(());
        }
        match self.ledger.change(note) {
            Err(AppendError::Full) => {
                let _ = self.shared.disk.remove(&name_of(oldest, INDEX));
                self.ledger.change(note)
            }
            written => written,
        }
    }

    fn remove(&self, segment: &Segment) -> io::Result<()> {
        segment.retire();
        if planted::EmptiedUnderReaders.is_on() {
            segment.file.set_length(0)?;
        }
        let disk = &*self.shared.disk;
        let remove = |ending| remove_if_there(disk, &name_of(segment.base, ending));
        self.shared.change_names(|| remove(LOG).and_then(|()| remove(INDEX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    #[test]
    fn a_clock_that_jumps_ahead_lets_nothing_go_for_the_age() {
        let mut clock = RetentionClock::default();
        assert!(!clock.read(100 * DAY, 0, 7 * DAY));
        assert!(!clock.read(101 * DAY, DAY, 7 * DAY));
        // A year ahead, and right again.
        assert!(clock.read(465 * DAY, DAY, 7 * DAY));
        assert_eq!(clock.now, 102 * DAY);
        assert!(!clock.read(103 * DAY, DAY, 7 * DAY));
        assert_eq!(clock.now, 103 * DAY);
        // It stays ahead: the machine was off, or the clock was wrong before.
        for _ in 0..6 {
            assert!(clock.read(500 * DAY, DAY, 7 * DAY));
        }
        assert!(!clock.read(500 * DAY, DAY, 7 * DAY));
        assert_eq!(clock.now, 500 * DAY);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_for_ever() {
        let mut clock = RetentionClock { now: 100 * DAY, held: 0 };
        assert!(!clock.read(DAY, DAY, 7 * DAY));
        assert_eq!(clock.now, 101 * DAY);
        assert!(!clock.read(DAY, 7 * DAY, 7 * DAY));
        assert_eq!(clock.now, 108 * DAY);
    }
}
