//! Fair use of a connection's flow-control window (RFC 9113 §5.2). All responses of a connection
//! share its window. A response that the client does not read would take all of it and starve the
//! others (head-of-line blocking), so none gets more than half.
//!
//! Most clients send a window update only when half of a window is used, so a stream with a smaller
//! share would never get one.

use std::{
    collections::HashMap,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The initial window of a connection (RFC 9113 §6.9.2).
const INITIAL: u64 = 65_535;

/// How long other streams may starve before the stream that holds most of the window is reset. A
/// ping must be answered first: while the network is down, no stream is to blame.
const STARVATION_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval at which a waiting stream checks whether it has to be reset.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Bytes in flight of each response, as the window updates of the client report them.
#[derive(Debug)]
pub(crate) struct FlowControl {
    stall_timeout: Duration,
    state: Mutex<State>,
    ping_wanted: Notify,
}

#[derive(Debug)]
struct State {
    accounts: HashMap<u32, StreamAccount>,
    /// Bytes sent and bytes granted on the connection, in total.
    sent: u64,
    granted: u64,
    /// Largest window that the client has ever granted.
    max_window: u64,
    liveness: Liveness,
}

/// Whether the client is alive (PING, RFC 9113 §6.7). A pong also proves that what was sent before
/// the ping has arrived.
#[derive(Clone, Copy, Debug)]
enum Liveness {
    Unknown,
    PingSent(Instant),
    /// The client has answered the ping of this time.
    Alive(Instant),
}

#[derive(Debug, Default)]
struct StreamAccount {
    /// Bytes in the queue of the library.
    queued: u64,
    /// Bytes sent, and not returned by a window update.
    in_flight: u64,
    /// Since when it has waited for the window without an update.
    waiting_since: Option<Instant>,
    waker: Option<Waker>,
}

impl FlowControl {
    pub(crate) fn new(stall_timeout: Duration) -> Arc<Self> {
        let accounts = HashMap::new();
        let liveness = Liveness::Unknown;
        let state = State { accounts, sent: 0, granted: INITIAL, max_window: INITIAL, liveness };
        Arc::new(Self { stall_timeout, state: Mutex::new(state), ping_wanted: Notify::new() })
    }

    /// Waits until a ping has to be sent.
    pub(crate) async fn ping_requested(&self) {
        self.ping_wanted.notified().await;
    }

    /// Records the answer to a ping.
    pub(crate) fn pong_received(&self) {
        let mut state = self.state.lock();
        if let Liveness::PingSent(when) = state.liveness {
            state.liveness = Liveness::Alive(when);
        }
    }

    pub(crate) fn open(&self, stream: u32) {
        self.state.lock().accounts.insert(stream, StreamAccount::default());
    }

    pub(crate) fn close(&self, stream: u32) {
        self.state.lock().accounts.remove(&stream);
    }

    /// Returns the send allowance of this stream, capped at half the connection window. If it is
    /// zero,
    /// `waker` is woken once it grows.
    pub(crate) fn allowance(&self, stream: u32, waker: &Waker) -> usize {
        let mut state = self.state.lock();
        let most = state.max_window / 2 + 1;
        let under_way = (state.max_window + state.sent).saturating_sub(state.granted);
        let Some(account) = state.accounts.get_mut(&stream) else { return 0 };
        // A client may return window to the connection alone; it has read those bytes all the same.
        let allowed = most.saturating_sub(account.in_flight.min(under_way) + account.queued);
        if allowed == 0 {
            account.waker = Some(waker.clone());
        }
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }

    /// Counts bytes that wait to be sent. Those of a stream that is reset never are.
    pub(crate) fn add_queued(&self, stream: u32, bytes: usize) {
        if let Some(account) = self.state.lock().accounts.get_mut(&stream) {
            account.queued += bytes as u64;
        }
    }

    /// Counts bytes that have been sent.
    pub(crate) fn add_sent(&self, stream: u32, bytes: u32) {
        let mut state = self.state.lock();
        state.sent += u64::from(bytes);
        if let Some(account) = state.accounts.get_mut(&stream) {
            account.queued = account.queued.saturating_sub(bytes.into());
            account.in_flight += u64::from(bytes);
        }
    }

    /// Records that the stream no longer waits.
    pub(crate) fn clear_wait(&self, stream: u32) {
        if let Some(account) = self.state.lock().accounts.get_mut(&stream) {
            account.waiting_since = None;
        }
    }

    /// Lets all waits begin now: the process was stopped, and no client could end one.
    pub(crate) fn restart_waits(&self, now: Instant) {
        let mut state = self.state.lock();
        for account in state.accounts.values_mut() {
            account.waiting_since = account.waiting_since.map(|_| now);
        }
    }

    /// Records a window update: of one stream, or of the connection (stream 0).
    pub(crate) fn window_updated(&self, stream: u32, bytes: u32, now: Instant) {
        let mut state = self.state.lock();
        if stream == 0 {
            state.granted += u64::from(bytes);
            state.max_window = state.max_window.max(state.granted.saturating_sub(state.sent));
            state.accounts.values_mut().filter_map(|one| one.waker.take()).for_each(Waker::wake);
        } else if let Some(account) = state.accounts.get_mut(&stream) {
            account.in_flight = account.in_flight.saturating_sub(bytes.into());
            account.waiting_since = account.waiting_since.map(|_| now);
            account.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Whether a waiting stream has to be reset: the client has read none of it for
    /// `stall_timeout`, or it starves others.
    pub(crate) fn should_reset(&self, stream: u32, now: Instant) -> bool {
        let mut state = self.state.lock();
        // The library may reserve a byte for each stream that has nothing to send.
        let left = state.granted.saturating_sub(state.sent);
        let nothing_left = left <= state.accounts.len() as u64;
        let accounts = &mut state.accounts;
        let Some(own) = accounts.get_mut(&stream) else { return true };
        let waited = now - *own.waiting_since.get_or_insert(now);
        let in_flight = own.in_flight;
        let others = || accounts.iter().filter(|(other, _)| **other != stream).map(|(_, one)| one);
        if waited >= self.stall_timeout {
            return true;
        }
        let mut waiting = others().filter(|other| other.waiting_since.is_some()).peekable();
        // Only the stream with the most bytes in flight is reset.
        let is_largest =
            waiting.peek().is_some() && waiting.all(|other| other.in_flight <= in_flight);
        if !(nothing_left && is_largest && waited >= STARVATION_TIMEOUT) {
            return false;
        }
        match state.liveness {
            Liveness::Alive(asked) if now - asked <= waited => true,
            Liveness::PingSent(_) => false,
            Liveness::Unknown | Liveness::Alive(_) => {
                state.liveness = Liveness::PingSent(now);
                self.ping_wanted.notify_one();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_TIMEOUT: Duration = Duration::from_secs(30);

    fn after(seconds: f64) -> Instant {
        use std::sync::LazyLock;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs_f64(seconds)
    }

    fn flow_control(streams: &[u32]) -> Arc<FlowControl> {
        let flow_control = FlowControl::new(STALL_TIMEOUT);
        streams.iter().for_each(|stream| flow_control.open(*stream));
        flow_control
    }

    #[test]
    fn the_stream_that_starves_others_is_reset_after_a_second() {
        let flow_control = flow_control(&[1, 3, 5]);
        flow_control.add_sent(1, 60_000);
        flow_control.add_sent(3, 5535);
        for (stream, time) in [(1, 0.0), (3, 0.1), (5, 0.2), (1, 0.9), (3, 29.0), (5, 30.0)] {
            assert!(!flow_control.should_reset(stream, after(time)), "{stream} at {time}");
        }
        assert!(!flow_control.should_reset(1, after(1.0)), "its client may be away");
        flow_control.pong_received();
        assert!(flow_control.should_reset(1, after(1.1)));
        flow_control.close(1);
        assert!(!flow_control.should_reset(5, after(30.0)), "3 holds more");
        assert!(flow_control.should_reset(5, after(30.2)), "it does not wait for ever either");
    }

    #[test]
    fn a_pong_for_an_earlier_ping_proves_nothing() {
        let flow_control = flow_control(&[1, 3]);
        flow_control.add_sent(1, 60_000);
        flow_control.add_sent(3, 5535);
        assert!(
            !flow_control.should_reset(1, after(0.0)) && !flow_control.should_reset(3, after(0.0))
        );
        assert!(!flow_control.should_reset(1, after(1.0)));
        flow_control.pong_received();
        // The stream was read after all, and then no more.
        flow_control.window_updated(1, 10, after(2.0));
        flow_control.add_sent(1, 10);
        assert!(!flow_control.should_reset(1, after(3.0)), "a ping is sent again");
        assert!(!flow_control.should_reset(1, after(20.0)), "and is not answered");
        flow_control.pong_received();
        assert!(flow_control.should_reset(1, after(20.1)));
    }

    #[test]
    fn a_stream_that_waits_alone_has_the_stall_timeout() {
        let flow_control = flow_control(&[1, 3]);
        flow_control.add_sent(1, 60_000);
        flow_control.add_sent(3, 1000);
        assert!(
            !flow_control.should_reset(1, after(0.0)) && !flow_control.should_reset(1, after(29.9))
        );
        assert!(flow_control.should_reset(1, after(30.0)));
    }

    #[test]
    fn a_stream_that_is_read_stays_however_slowly() {
        let flow_control = flow_control(&[1, 3]);
        flow_control.add_sent(1, 60_000);
        assert!(!flow_control.should_reset(3, after(0.0)));
        for second in 0..100 {
            assert!(!flow_control.should_reset(1, after(f64::from(second))));
            flow_control.window_updated(1, 10, after(f64::from(second) + 0.5));
        }
    }

    #[test]
    fn no_stream_gets_more_than_half_of_the_window() {
        let flow_control = flow_control(&[1, 3]);
        let allowance = |stream| flow_control.allowance(stream, Waker::noop());
        assert_eq!(allowance(1), 32_768);
        flow_control.add_sent(1, 30_000);
        assert_eq!((allowance(1), allowance(3)), (2768, 32_768));
        flow_control.add_sent(1, 2768);
        assert_eq!((allowance(1), allowance(3)), (0, 32_768));
        flow_control.window_updated(1, 20_000, after(0.0));
        assert_eq!(allowance(1), 20_000);
        // A client with a larger window.
        flow_control.window_updated(0, 1_000_000, after(0.0));
        assert!(allowance(1) > 400_000, "{}", allowance(1));
    }

    #[test]
    fn bytes_queued_at_a_reset_were_never_sent() {
        let flow_control = flow_control(&[1]);
        flow_control.add_queued(1, 16_384);
        assert_eq!(flow_control.allowance(1, Waker::noop()), 16_384);
        flow_control.add_sent(1, 10_000);
        assert_eq!(flow_control.allowance(1, Waker::noop()), 16_384, "counted once");
        flow_control.close(1);
        flow_control.open(3);
        flow_control.window_updated(0, 10_000, after(0.0));
        flow_control.add_sent(3, 40_000);
        assert!(!flow_control.should_reset(3, after(0.0)));
        assert_eq!(flow_control.allowance(3, Waker::noop()), 0);
    }

    #[test]
    fn an_update_of_the_connection_alone_counts_for_the_stream() {
        let flow_control = flow_control(&[1]);
        for _ in 0..10 {
            flow_control.add_sent(1, 32_768);
            assert_eq!(flow_control.allowance(1, Waker::noop()), 0);
            flow_control.window_updated(0, 32_768, after(0.0));
            assert_eq!(flow_control.allowance(1, Waker::noop()), 32_768);
        }
    }

    #[test]
    fn a_cleared_wait_begins_again_at_zero() {
        let flow_control = flow_control(&[1]);
        assert!(!flow_control.should_reset(1, after(0.0)));
        flow_control.clear_wait(1);
        assert!(
            !flow_control.should_reset(1, after(40.0)) && flow_control.should_reset(1, after(70.0))
        );
    }
}
