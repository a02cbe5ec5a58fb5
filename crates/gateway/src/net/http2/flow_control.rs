//! Who holds how much of a connection's window (RFC 9113 §5.2). All answers on a connection share what its client lets be
//! under way at once. One that nobody reads would take all of it, and its siblings would stand still: so none gets more than half.
//!
//! Half is what clients give back at: most send a window update when half of a window was taken, so more could not be kept
//! from one without keeping it from all.

use std::{
    collections::HashMap,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The window of a connection whose client has said nothing about it (RFC 9113 §6.9.2).
const INITIAL: u64 = 65_535;

/// How long siblings stand still for those that are not read, and have taken all the same what there is: two, say. Then the client is
/// asked for a sign of life: where the network is away for a while, nobody is to blame.
const STARVED: Duration = Duration::from_secs(1);

/// How often whoever waits looks at the ledger.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// What each answer has under way, as the window updates of the client tell.
#[derive(Debug)]
pub(crate) struct Ledger {
    patience: Duration,
    books: Mutex<Books>,
    asks: Notify,
}

#[derive(Debug)]
struct Books {
    accounts: HashMap<u32, Account>,
    /// What has left for all of them, ever, and what may.
    sent: u64,
    granted: u64,
    /// The most that the client has ever had room for.
    widest: u64,
    life: Life,
}

/// Whether the client is there (PING, RFC 9113 §6.7). Its answer also tells that what was sent before has reached it.
#[derive(Clone, Copy, Debug)]
enum Life {
    Unasked,
    Asked(Instant),
    /// And when it was asked.
    Shown(Instant),
}

#[derive(Debug, Default)]
struct Account {
    /// In the library's queue.
    queued: u64,
    /// Sent, and not given back.
    held: u64,
    /// Since when it has waited for room, and nothing was given back.
    waits: Option<Instant>,
    waker: Option<Waker>,
}

impl Ledger {
    pub(crate) fn new(patience: Duration) -> Arc<Self> {
        let accounts = HashMap::new();
        let life = Life::Unasked;
        let books = Books { accounts, sent: 0, granted: INITIAL, widest: INITIAL, life };
        Arc::new(Self { patience, books: Mutex::new(books), asks: Notify::new() })
    }

    /// Returns when the client is to be asked for a sign of life.
    pub(crate) async fn wants_life(&self) {
        self.asks.notified().await;
    }

    /// It has given one.
    pub(crate) fn shows_life(&self) {
        let mut books = self.books.lock();
        if let Life::Asked(when) = books.life {
            books.life = Life::Shown(when);
        }
    }

    pub(crate) fn open(&self, stream: u32) {
        self.books.lock().accounts.insert(stream, Account::default());
    }

    pub(crate) fn close(&self, stream: u32) {
        self.books.lock().accounts.remove(&stream);
    }

    /// How many bytes it may send before others have to fear for their room. When that is none, `waker` is told of more.
    pub(crate) fn allows(&self, stream: u32, waker: &Waker) -> usize {
        let mut books = self.books.lock();
        let most = books.widest / 2 + 1;
        let under_way = (books.widest + books.sent).saturating_sub(books.granted);
        let Some(account) = books.accounts.get_mut(&stream) else { return 0 };
        // Where the client gives back to the connection, but not to this stream, it has taken what it gives back.
        let allowed = most.saturating_sub(account.held.min(under_way) + account.queued);
        if allowed == 0 {
            account.waker = Some(waker.clone());
        }
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }

    /// So many bytes wait to be sent. Those of a stream that is reset never are.
    pub(crate) fn queued(&self, stream: u32, bytes: usize) {
        if let Some(account) = self.books.lock().accounts.get_mut(&stream) {
            account.queued += bytes as u64;
        }
    }

    /// So many bytes are on their way.
    pub(crate) fn sent(&self, stream: u32, bytes: u32) {
        let mut books = self.books.lock();
        books.sent += u64::from(bytes);
        if let Some(account) = books.accounts.get_mut(&stream) {
            account.queued = account.queued.saturating_sub(bytes.into());
            account.held += u64::from(bytes);
        }
    }

    /// It has room again.
    pub(crate) fn goes_on(&self, stream: u32) {
        if let Some(account) = self.books.lock().accounts.get_mut(&stream) {
            account.waits = None;
        }
    }

    /// The client has taken so many bytes: of one stream, or (0) of whichever.
    pub(crate) fn given_back(&self, stream: u32, bytes: u32, now: Instant) {
        let mut books = self.books.lock();
        if stream == 0 {
            books.granted += u64::from(bytes);
            books.widest = books.widest.max(books.granted.saturating_sub(books.sent));
            books.accounts.values_mut().filter_map(|one| one.waker.take()).for_each(Waker::wake);
        } else if let Some(account) = books.accounts.get_mut(&stream) {
            account.held = account.held.saturating_sub(bytes.into());
            account.waits = account.waits.map(|_| now);
            account.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Whether this answer, which has waited for room, has to go: nobody has read it for as long as the settings allow, or it
    /// keeps others from getting any.
    pub(crate) fn has_to_go(&self, stream: u32, now: Instant) -> bool {
        let mut books = self.books.lock();
        // A byte may be set aside for each that has nothing to send.
        let left = books.granted.saturating_sub(books.sent);
        let nothing_left = left <= books.accounts.len() as u64;
        let accounts = &mut books.accounts;
        let Some(own) = accounts.get_mut(&stream) else { return true };
        let waited = now - *own.waits.get_or_insert(now);
        let held = own.held;
        let others = || accounts.iter().filter(|(other, _)| **other != stream).map(|(_, one)| one);
        if waited >= self.patience {
            return true;
        }
        let mut waiting = others().filter(|other| other.waits.is_some()).peekable();
        // Whoever holds less waits for whoever holds more.
        let is_greatest = waiting.peek().is_some() && waiting.all(|other| other.held <= held);
        if !(nothing_left && is_greatest && waited >= STARVED) {
            return false;
        }
        match books.life {
            Life::Shown(asked) if now - asked <= waited => true,
            Life::Asked(_) => false,
            Life::Unasked | Life::Shown(_) => {
                books.life = Life::Asked(now);
                self.asks.notify_one();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn after(seconds: f64) -> Instant {
        use std::sync::LazyLock;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs_f64(seconds)
    }

    fn ledger(streams: &[u32]) -> Arc<Ledger> {
        let ledger = Ledger::new(PATIENCE);
        streams.iter().for_each(|stream| ledger.open(*stream));
        ledger
    }

    #[test]
    fn who_holds_most_of_a_window_that_others_wait_for_goes_after_a_second() {
        let ledger = ledger(&[1, 3, 5]);
        ledger.sent(1, 60_000);
        ledger.sent(3, 5535);
        for (stream, time) in [(1, 0.0), (3, 0.1), (5, 0.2), (1, 0.9), (3, 29.0), (5, 30.0)] {
            assert!(!ledger.has_to_go(stream, after(time)), "{stream} at {time}");
        }
        assert!(!ledger.has_to_go(1, after(1.0)), "its client may be away");
        ledger.shows_life();
        assert!(ledger.has_to_go(1, after(1.1)));
        ledger.close(1);
        assert!(!ledger.has_to_go(5, after(30.0)), "3 holds more");
        assert!(ledger.has_to_go(5, after(30.2)), "for ever it does not wait either");
    }

    #[test]
    fn a_sign_of_life_from_before_says_nothing() {
        let ledger = ledger(&[1, 3]);
        ledger.sent(1, 60_000);
        ledger.sent(3, 5535);
        assert!(!ledger.has_to_go(1, after(0.0)) && !ledger.has_to_go(3, after(0.0)));
        assert!(!ledger.has_to_go(1, after(1.0)));
        ledger.shows_life();
        // It was read after all, and then no more.
        ledger.given_back(1, 10, after(2.0));
        ledger.sent(1, 10);
        assert!(!ledger.has_to_go(1, after(3.0)), "is asked once more");
        assert!(!ledger.has_to_go(1, after(20.0)), "and does not answer");
        ledger.shows_life();
        assert!(ledger.has_to_go(1, after(20.1)));
    }

    #[test]
    fn who_waits_alone_has_the_time_that_the_settings_give() {
        let ledger = ledger(&[1, 3]);
        ledger.sent(1, 60_000);
        ledger.sent(3, 1000);
        assert!(!ledger.has_to_go(1, after(0.0)) && !ledger.has_to_go(1, after(29.9)));
        assert!(ledger.has_to_go(1, after(30.0)));
    }

    #[test]
    fn who_is_read_stays_however_slowly() {
        let ledger = ledger(&[1, 3]);
        ledger.sent(1, 60_000);
        assert!(!ledger.has_to_go(3, after(0.0)));
        for second in 0..100 {
            assert!(!ledger.has_to_go(1, after(f64::from(second))));
            ledger.given_back(1, 10, after(f64::from(second) + 0.5));
        }
    }

    #[test]
    fn nobody_gets_more_than_half_of_the_window() {
        let ledger = ledger(&[1, 3]);
        let allows = |stream| ledger.allows(stream, Waker::noop());
        assert_eq!(allows(1), 32_768);
        ledger.sent(1, 30_000);
        assert_eq!((allows(1), allows(3)), (2768, 32_768));
        ledger.sent(1, 2768);
        assert_eq!((allows(1), allows(3)), (0, 32_768));
        ledger.given_back(1, 20_000, after(0.0));
        assert_eq!(allows(1), 20_000);
        // A client with room for more.
        ledger.given_back(0, 1_000_000, after(0.0));
        assert!(allows(1) > 400_000, "{}", allows(1));
    }

    #[test]
    fn what_is_thrown_away_with_a_reset_was_never_sent() {
        let ledger = ledger(&[1]);
        ledger.queued(1, 16_384);
        assert_eq!(ledger.allows(1, Waker::noop()), 16_384);
        ledger.sent(1, 10_000);
        assert_eq!(ledger.allows(1, Waker::noop()), 16_384, "counted once");
        ledger.close(1);
        ledger.open(3);
        ledger.given_back(0, 10_000, after(0.0));
        ledger.sent(3, 40_000);
        assert!(!ledger.has_to_go(3, after(0.0)));
        assert_eq!(ledger.allows(3, Waker::noop()), 0);
    }

    #[test]
    fn a_client_that_gives_back_to_the_connection_alone_has_taken_it() {
        let ledger = ledger(&[1]);
        for _ in 0..10 {
            ledger.sent(1, 32_768);
            assert_eq!(ledger.allows(1, Waker::noop()), 0);
            ledger.given_back(0, 32_768, after(0.0));
            assert_eq!(ledger.allows(1, Waker::noop()), 32_768);
        }
    }

    #[test]
    fn who_has_room_again_does_not_wait() {
        let ledger = ledger(&[1]);
        assert!(!ledger.has_to_go(1, after(0.0)));
        ledger.goes_on(1);
        assert!(!ledger.has_to_go(1, after(40.0)) && ledger.has_to_go(1, after(70.0)));
    }
}
