//! Letting go of what is too much or too old, beside the writer: it takes several syncs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tricast_core::{Log, unix_millis};

use crate::{
    AppendError, LetGo, Reader, Retention,
    engine::{extent::extent_of, millis, sequencer::Sequencer},
    retention::Keeper,
};

/// What lets go of the past, from any thread.
pub(super) struct Upkeep {
    log: Arc<Log>,
    sequencer: Arc<Sequencer>,
    reader: Reader,
    keeper: Arc<Keeper>,
    retention: Retention,
    /// When it was done last.
    last: Mutex<Option<Instant>>,
}

impl Upkeep {
    pub(super) fn new(
        log: Arc<Log>,
        sequencer: Arc<Sequencer>,
        reader: Reader,
        keeper: Arc<Keeper>,
        retention: Retention,
    ) -> Self {
        Self { log, sequencer, reader, keeper, retention, last: Mutex::default() }
    }

    /// Lets go of what is too much or too old; true if something was, also by another thread
    /// meanwhile.
    pub(super) fn run(&self) -> bool {
        let floor = self.reader.floor();
        self.let_go();
        self.reader.floor() > floor
    }

    fn let_go(&self) {
        // Held to the end: of two threads the second finds nothing left to do.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let elapsed = last.replace(now).map_or(Duration::ZERO, |before| now - before);
        match self.keeper.retain(self.retention, unix_millis(), millis(elapsed)) {
            Ok(LetGo { segments, floor, clock_is_ahead, .. }) => {
                if clock_is_ahead {
                    tracing::warn!(
                        "the clock is ahead of the log by more than log.age; nothing is let go by \
                         age before that time has passed, or the clock is right again"
                    );
                }
                if segments > 0 {
                    tracing::debug!(segments, floor, "the log let go of its oldest messages");
                    self.log.set_extent(extent_of(&self.reader));
                }
            }
            // What is refused for that says so.
            Err(AppendError::Full) => {}
            Err(error) => self.sequencer.fail(&error.to_string(), Vec::new()),
        }
    }
}
