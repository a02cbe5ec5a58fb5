//! A circuit breaker: after too many failures in a row it lets no call through for a while, and
//! then one that finds out whether calls succeed again.

use std::time::Duration;

use tokio::time::Instant;

use crate::sync::Mutex;

/// Lets calls through until too many in a row have failed.
#[derive(Debug)]
pub struct Circuit {
    state: Mutex<State>,
    /// Failures in a row after which it opens; 0 keeps it closed for good.
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
    /// One call is under way as a probe.
    HalfOpen,
}

/// A call that was let through. One that is dropped without an outcome proves nothing.
#[derive(Debug)]
pub struct CircuitCall<'a> {
    circuit: &'a Circuit,
    is_probe: bool,
}

/// The effect of a failed call on its circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// This failure has opened the circuit.
    Opened,
    /// The circuit is as it was.
    Unchanged,
}

impl Circuit {
    /// Creates a circuit that opens after so many failures in a row, for so long; with 0 it never
    /// opens.
    pub fn new(open_after: u32, open_for: Duration) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), open_after, open_for }
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// While the circuit is open: the time until the next call may go through.
    pub fn begin_call(&self) -> Result<CircuitCall<'_>, Duration> {
        let mut state = self.state.lock();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                *state = State::HalfOpen;
                true
            }
            State::HalfOpen => return Err(Duration::from_secs(1)),
        };
        Ok(CircuitCall { circuit: self, is_probe })
    }
}

impl CircuitCall<'_> {
    /// Records that the call has succeeded.
    pub fn succeeded(mut self) {
        let mut state = self.circuit.state.lock();
        // A call that began before the circuit opened says nothing about the present.
        if self.is_probe || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0 };
        }
        self.is_probe = false;
    }

    /// Records that the call has failed.
    pub fn failed(mut self) -> AfterFailure {
        let circuit = self.circuit;
        let mut state = circuit.state.lock();
        let has_opened = match &mut *state {
            State::Closed { failures } => {
                *failures += 1;
                *failures == circuit.open_after
            }
            State::Open { .. } | State::HalfOpen => self.is_probe,
        };
        self.is_probe = false;
        if !has_opened {
            return AfterFailure::Unchanged;
        }
        *state = State::Open { until: Instant::now() + circuit.open_for };
        AfterFailure::Opened
    }
}

impl Drop for CircuitCall<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            // The caller has gone; the next call is the probe.
            *self.circuit.state.lock() = State::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(10);

    fn fail(circuit: &Circuit, times: u32) {
        for _ in 0..times {
            circuit.begin_call().expect("closed").failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_probes_once_and_closes() {
        let circuit = Circuit::new(3, OPEN_FOR);
        fail(&circuit, 2);
        circuit.begin_call().expect("closed").succeeded();
        fail(&circuit, 2);
        let late = circuit.begin_call().expect("closed");
        let third = circuit.begin_call().expect("closed").failed();
        assert_eq!(third, AfterFailure::Opened, "the third in a row");
        assert_eq!(circuit.begin_call().expect_err("open"), OPEN_FOR);
        late.succeeded();
        tokio::time::advance(OPEN_FOR / 2).await;
        assert_eq!(circuit.begin_call().expect_err("still open"), OPEN_FOR / 2);
        tokio::time::advance(OPEN_FOR / 2).await;
        let probe = circuit.begin_call().expect("one probes");
        circuit.begin_call().expect_err("and one only");
        assert_eq!(probe.failed(), AfterFailure::Opened);
        circuit.begin_call().expect_err("open again");
        tokio::time::advance(OPEN_FOR).await;
        drop(circuit.begin_call().expect("a probe that is dropped"));
        circuit.begin_call().expect("the next one probes").succeeded();
        fail(&circuit, 2);
        circuit.begin_call().expect("closed, and counts from zero");
    }

    #[tokio::test]
    async fn a_circuit_without_a_threshold_never_opens() {
        let circuit = Circuit::new(0, OPEN_FOR);
        fail(&circuit, 1000);
        circuit.begin_call().expect("closed");
    }
}
