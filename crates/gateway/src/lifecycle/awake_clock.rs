//! A clock that stands still while the process is stopped, as by SIGSTOP, `docker pause` or a
//! suspended machine. To the other clocks, everything that waited has then waited for long.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Resolution of the clock.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// Ticks that a thread has counted. A tick is a sleep: however late it ends, it counts once.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// The counting thread; `false` if the system provides none.
static COUNTING: LazyLock<bool> = LazyLock::new(|| {
    let count = || loop {
        thread::sleep(TICK);
        TICKS.fetch_add(1, Ordering::Relaxed);
    };
    let started = thread::Builder::new().name("awake-clock".to_owned()).spawn(count);
    if let Err(error) = &started {
        tracing::warn!(%error, "without a thread, a stopped process cannot be told from overload");
    }
    started.is_ok()
});

/// Returns the time that the process has run; `None` if nothing counts it.
pub(crate) fn awake_time() -> Option<Duration> {
    let ticks = u32::try_from(TICKS.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    COUNTING.then(|| TICK.saturating_mul(ticks))
}
