//! The heartbeat of a stream, and the check that its peer answers.

use std::time::{Duration, Instant};

use super::jitter::jittered;
use crate::awake::has_overslept;

/// A peer that has left this many heartbeats unanswered is unresponsive.
const UNANSWERED_MAX: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    next: Option<Instant>,
    /// Heartbeats since the last activity of the peer, on a wire whose heartbeats are answered.
    unanswered: u8,
    /// Whether each heartbeat is an event, not only one after which the cursor has moved.
    pub(super) as_events: bool,
}

/// The action that is due.
pub(super) enum HeartbeatDue {
    /// Nothing until this time.
    At(Instant),
    /// A heartbeat.
    Now,
    /// The end of the stream: the peer has not answered.
    Unresponsive,
}

impl Heartbeat {
    /// Checks what is due at `now`. `needs_replies` says that peers answer the wire's heartbeats.
    pub(super) fn check(
        &mut self,
        now: Instant,
        period: Duration,
        needs_replies: bool,
    ) -> HeartbeatDue {
        let next = *self.next.get_or_insert_with(|| now + jittered(period));
        if now < next {
            return HeartbeatDue::At(next);
        }
        self.next = Some(now + jittered(period));
        if needs_replies {
            // An answer may have come while the process was stopped, and nobody has read it.
            if has_overslept(next, now) {
                self.unanswered = 0;
            }
            if self.unanswered >= UNANSWERED_MAX {
                return HeartbeatDue::Unresponsive;
            }
            self.unanswered += 1;
        }
        HeartbeatDue::Now
    }

    /// Postpones the next heartbeat, because the stream has carried something else. A heartbeat
    /// that the peer has to answer is not postponed.
    pub(super) fn postpone(&mut self, now: Instant, period: Duration, needs_replies: bool) {
        if self.next.is_none() || !needs_replies {
            self.next = Some(now + jittered(period));
        }
    }

    /// Records that the peer is alive.
    pub(super) fn record_peer_activity(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    /// Checks when a heartbeat is due, `late` after that.
    fn check(heartbeat: &mut Heartbeat, late: Duration) -> HeartbeatDue {
        let next = heartbeat.next.expect("one is due");
        heartbeat.check(next + late, PERIOD, true)
    }

    #[test]
    fn a_peer_is_unresponsive_after_two_unanswered_heartbeats() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.check(Instant::now(), PERIOD, true);
        for _ in 0..2 {
            assert!(matches!(check(&mut heartbeat, Duration::ZERO), HeartbeatDue::Now));
        }
        assert!(matches!(check(&mut heartbeat, Duration::ZERO), HeartbeatDue::Unresponsive));
    }

    #[test]
    fn a_stop_of_the_process_makes_no_peer_unresponsive() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.check(Instant::now(), PERIOD, true);
        for _ in 0..10 {
            assert!(matches!(check(&mut heartbeat, PERIOD), HeartbeatDue::Now));
        }
    }
}
