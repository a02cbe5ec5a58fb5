//! A circuit that opens: who has failed again and again is left alone for a while, then tried once.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lets calls through, until too many in a row have failed.
#[derive(Debug)]
pub(crate) struct Circuit {
    state: Mutex<State>,
    /// So many failures open it; 0 never.
    open_after: u32,
    open_for: Duration,
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One call finds out whether it may close again.
    Probing,
}

/// One call that was let through. Dropped without a word it proves nothing.
#[derive(Debug)]
pub(crate) struct Passage<'a> {
    circuit: &'a Circuit,
    probes: bool,
}

impl Circuit {
    pub(crate) fn new(open_after: u32, open_for: Duration) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), open_after, open_for }
    }

    /// Lets a call through, or tells how long to wait.
    pub(crate) fn enter(&self) -> Result<Passage<'_>, Duration> {
        let mut state = self.state.lock();
        let probes = match *state {
            State::Closed { .. } => false,
            State::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                *state = State::Probing;
                true
            }
            State::Probing => return Err(Duration::from_secs(1)),
        };
        Ok(Passage { circuit: self, probes })
    }
}

impl Passage<'_> {
    pub(crate) fn succeeded(mut self) {
        let mut state = self.circuit.state.lock();
        // What was asked before it opened tells nothing about now.
        if self.probes || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0 };
        }
        self.probes = false;
    }

    /// Whether that has opened it.
    pub(crate) fn failed(mut self) -> bool {
        let circuit = self.circuit;
        let mut state = circuit.state.lock();
        let opens = match &mut *state {
            State::Closed { failures } => {
                *failures += 1;
                *failures == circuit.open_after
            }
            State::Open { .. } | State::Probing => self.probes,
        };
        if opens {
            *state = State::Open { until: Instant::now() + circuit.open_for };
        }
        self.probes = false;
        opens
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.probes {
            // Whoever asked has left: the next one probes.
            *self.circuit.state.lock() = State::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHILE: Duration = Duration::from_secs(10);

    fn fail(circuit: &Circuit, times: u32) {
        for _ in 0..times {
            circuit.enter().expect("closed").failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_probes_once_and_closes() {
        let circuit = Circuit::new(3, WHILE);
        fail(&circuit, 2);
        circuit.enter().expect("closed").succeeded();
        fail(&circuit, 2);
        let late = circuit.enter().expect("closed");
        assert!(circuit.enter().expect("closed").failed(), "the third in a row");
        assert_eq!(circuit.enter().expect_err("open"), WHILE);
        late.succeeded();
        tokio::time::advance(WHILE / 2).await;
        assert_eq!(circuit.enter().expect_err("still open"), WHILE / 2);
        tokio::time::advance(WHILE / 2).await;
        let probe = circuit.enter().expect("one probes");
        circuit.enter().expect_err("and one only");
        assert!(probe.failed());
        circuit.enter().expect_err("open again");
        tokio::time::advance(WHILE).await;
        drop(circuit.enter().expect("a probe that is given up"));
        circuit.enter().expect("the next one probes").succeeded();
        fail(&circuit, 2);
        circuit.enter().expect("closed, and counts from the beginning");
    }

    #[tokio::test]
    async fn one_that_may_not_open_never_does() {
        let circuit = Circuit::new(0, WHILE);
        fail(&circuit, 1000);
        circuit.enter().expect("closed");
    }
}
