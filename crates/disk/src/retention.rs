//! Letting go of the oldest segments, by size and by age.

use std::io;

use tricast_core::Seq;

use crate::{
    disk::remove_if_there,
    error::{AppendError, Failed},
    meta::Meta,
    planted, room,
    segment::{INDEX, LOG, Segment, name_of},
    store::Store,
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

impl Store {
    /// Lets go of the oldest segments that are too much or too old. `now` is the time in
    /// milliseconds since 1970, and `elapsed` the milliseconds since the last call (at the first
    /// call: 0), by a clock that nobody sets.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn retain(
        &mut self,
        retention: Retention,
        now: u64,
        elapsed: u64,
    ) -> Result<LetGo, AppendError> {
        Failed::check(&self.shared)?;
        let mut let_go = LetGo { floor: self.shared.floor(), ..LetGo::default() };
        if let Some(age) = retention.age {
            let_go.clock_is_ahead = self.clock.read(now, elapsed, age);
        }
        let segments = self.shared.segments();
        let mut left: u64 = segments.iter().map(|segment| segment.summary().length).sum();
        for segment in segments.iter().take_while(|segment| segment.base != self.open.base) {
            let summary = segment.summary();
            let old = |age| self.clock.now.saturating_sub(summary.newest) >= age;
            if left <= retention.bytes && !retention.age.is_some_and(old) {
                break;
            }
            left -= summary.length;
            let_go.segments += 1;
            let_go.bytes += summary.length;
            let_go.floor = let_go.floor.max(summary.last);
        }
        if let_go.segments > 0 {
            let (gone, kept) = segments.split_at(let_go.segments);
            self.write_floor(let_go.floor, gone[0].base)?;
            self.shared.let_go(let_go.floor, kept.to_vec());
            let removed = gone.iter().try_for_each(|segment| self.remove(segment));
            removed
                .and_then(|()| self.shared.sync_names())
                .map_err(|error| self.explain(&error))?;
        }
        let disk = &*self.shared.disk;
        room::make_ballast(disk, self.config.ballast).map_err(|error| self.explain(&error))?;
        Ok(let_go)
    }

    /// Writes down what is let go, before it is. On a full disk an index gives the room: it can be
    /// made again.
    fn write_floor(&mut self, floor: Seq, oldest: Seq) -> Result<(), AppendError> {
        let RetentionClock { now, held } = self.clock;
        let meta = Meta { floor, retained_at: now, held, ..self.meta.clone() };
        if !planted::FloorUnwritten.is_on() {
            match self.write_meta(&meta) {
                Err(AppendError::Full) => {
                    let _ = self.shared.disk.remove(&name_of(oldest, INDEX));
                    self.write_meta(&meta)?;
                }
                written => written?,
            }
        }
        self.meta = meta;
        Ok(())
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
