//! The heartbeat of a stream, and the check that its peer answers.

use std::time::{Duration, Instant};

use super::jitter::jittered;

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
