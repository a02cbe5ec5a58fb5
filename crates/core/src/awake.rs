//! Timers that do not run out while the process is stopped, as by SIGSTOP, `docker pause` or a
//! suspended machine. What such a timer waits for may have come meanwhile, and nobody has looked.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// Parts that a wait is divided into. A part during which the process was stopped counts once.
const PARTS: u32 = 8;

/// A timer that ends so much later than it should ends after a stop of the process.
const OVERSLEPT: Duration = Duration::from_secs(1);

/// Whether a timer for `due` that is looked at now shows that the process was stopped.
pub fn has_overslept(due: std::time::Instant, now: std::time::Instant) -> bool {
    now.saturating_duration_since(due) >= OVERSLEPT
}

/// A timer that ends when the process has run for a time.
#[derive(Debug)]
pub struct AwakeSleep {
    part: Duration,
    left: u32,
    timer: Pin<Box<Sleep>>,
}

impl AwakeSleep {
    /// Creates a timer that ends after `time`.
    pub fn new(time: Duration) -> Self {
        let part = time / PARTS;
        Self { part, left: PARTS, timer: Box::pin(sleep(part)) }
    }

    /// Ready when the time is over. Afterwards it starts again.
    pub fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let overslept = has_overslept(self.timer.deadline().into_std(), now.into_std());
            self.left -= 1;
            self.timer.as_mut().reset(now + self.part);
            if self.left == 0 {
                // After a stop there is always one more part, for what has come meanwhile.
                self.left = if overslept { 1 } else { PARTS };
                if !overslept {
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// Waits for `future`, at most for as long as the process runs for `time`; `None` if it takes
/// longer.
pub fn awake_timeout<F: Future>(time: Duration, future: F) -> AwakeTimeout<F> {
    AwakeTimeout { future: Box::pin(future), timer: AwakeSleep::new(time) }
}

/// The future of [`awake_timeout`].
#[derive(Debug)]
pub struct AwakeTimeout<F> {
    future: Pin<Box<F>>,
    timer: AwakeSleep,
}

impl<F: Future> Future for AwakeTimeout<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.timer.poll_elapsed(cx).map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(4);

    #[tokio::test(start_paused = true)]
    async fn a_timeout_ends_after_its_time() {
        let begin = Instant::now();
        assert_eq!(awake_timeout(LIMIT, async { 1 }).await, Some(1));
        assert_eq!(awake_timeout(LIMIT, std::future::pending::<()>()).await, None);
        let waited = begin.elapsed();
        assert!(waited >= LIMIT && waited < LIMIT + LIMIT / 8, "{waited:?}");
    }

    /// Time that passes at once is to the timers what a stop of the process is.
    #[tokio::test(start_paused = true)]
    async fn a_stop_of_the_process_uses_up_one_part() {
        for runs_before in [Duration::ZERO, LIMIT - Duration::from_millis(100)] {
            let answer = async {
                tokio::time::sleep(runs_before + Duration::from_secs(3600)).await;
                // What was sent during the stop still has to be read.
                tokio::time::sleep(Duration::from_millis(200)).await;
            };
            let stop = async {
                tokio::time::sleep(runs_before).await;
                tokio::time::advance(Duration::from_secs(3600)).await;
            };
            let (answered, ()) = tokio::join!(awake_timeout(LIMIT, answer), stop);
            assert_eq!(answered, Some(()), "stopped after {runs_before:?}");
        }
    }
}
