//! Presence updates add up to the users connected, whatever happens while they are on their way,
//! and they are published at the right time.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;

use super::{
    tracker::{PresenceTracker, TrackerClock},
    *,
};
use crate::{
    Beginning, ChannelName, ChannelRules, Draft, Hub, Join, JoinError, Limits, Log, MemoryEngine,
    Meters, ReadLimit, Seq, Start, Subscription, Wire,
};

fn channel(name: &str) -> ChannelName {
    name.parse().expect("a channel")
}

fn identity(user: Option<&str>, info: Option<&str>) -> Identity {
    let mut identity = Identity::unverified(None, user.map(|user| user.parse().expect("a user")));
    identity.info = info.map(Arc::from);
    identity
}

#[test]
fn a_change_is_read_as_it_was_written() {
    let user = |name: &str| name.parse::<UserId>().expect("a user");
    let change = PresenceChange {
        joined: vec![
            PresentUser { user: user("alice"), info: Some(r#"{"b":1.50,"a":"x\n"}"#.into()) },
            PresentUser { user: user("bob"), info: None },
        ],
        left: vec![user("carol")],
        users: 2,
        anonymous: 3,
    };
    let draft = change.draft(channel("~a"));
    let text = concat!(
        r#"{"joined":[{"user":"alice","info":{"b":1.50,"a":"x\n"}},{"user":"bob"}],"#,
        r#""left":["carol"],"users":2,"anonymous":3}"#
    );
    assert_eq!(std::str::from_utf8(draft.data.as_bytes()), Ok(text));
    let update = PresenceUpdate::from_draft(&draft).expect("parses");
    assert_eq!((update.channel, update.change), (channel("a"), change));
    let elsewhere = Draft { channel: channel("a"), ..draft };
    assert!(PresenceUpdate::from_draft(&elsewhere).is_none());
}

/// Users who connect and disconnect at any moment: before a diff, and while the diff is on its way.
struct Simulation {
    random: fastrand::Rng,
    presence: Presence,
    /// Open tabs of each user, and of clients without a user.
    tabs: HashMap<PresenceKey, u32>,
    dirty: HashMap<PresenceKey, bool>,
    /// The users that a reader of the presence channel believes to be present.
    announced: BTreeMap<UserId, UserInfo>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let presence = Presence::default();
        let (tabs, dirty, announced) = Default::default();
        Self { random, presence, tabs, dirty, announced }
    }

    /// Opens or closes a random tab.
    fn step(&mut self) {
        let named = self.random.u8(..4) > 0;
        let user = self.random.choice(["alice", "bob", "carol"]).filter(|_| named);
        let identity = identity(user, self.random.choice(["1", "2"]));
        let count = self.tabs.entry(identity.user.clone()).or_default();
        if self.random.bool() {
            *count += 1;
            // Each client without a user has an online key of its own.
            let is_first = *count == 1 || !named;
            let joined = if is_first { Joined::First } else { Joined::Further };
            let key = self.presence.connect(&identity, joined);
            key.into_iter().for_each(|key| self.mark_dirty(key, false));
        } else if *count > 0 {
            *count -= 1;
            if *count == 0 || !named {
                let key = self.presence.disconnect(&identity);
                self.mark_dirty(key, true);
            }
        }
    }

    fn mark_dirty(&mut self, key: PresenceKey, gone: bool) {
        let anonymous_gone = key.is_none() && self.dirty.get(&key) == Some(&true);
        self.dirty.insert(key, gone || anonymous_gone);
    }

    /// Checks the dirty entries and publishes their diffs. While each diff is on its way,
    /// `meanwhile` tabs open or close.
    fn publish_diffs(&mut self, meanwhile: usize) {
        let mut dirty: Vec<_> = self.dirty.drain().collect();
        while !dirty.is_empty() {
            let Some(change) = self.presence.diff(&mut dirty) else { continue };
            (0..meanwhile).for_each(|_| self.step());
            let PresenceChange { joined, left, users, anonymous } = change.clone();
            self.announced.extend(joined.into_iter().map(|one| (one.user, one.info)));
            left.iter().for_each(|user| drop(self.announced.remove(user)));
            let still_connected = self.presence.apply(change);
            still_connected.into_iter().for_each(|key| self.mark_dirty(key, false));
            assert_eq!(self.presence.announced, self.announced, "the messages alone say it");
            assert_eq!(users as usize, self.announced.len());
            assert_eq!(anonymous, self.presence.anonymous_announced());
        }
    }
}

#[test]
fn presence_updates_add_up_to_the_users_connected() {
    for seed in 0..3000 {
        let mut simulation = Simulation::new(seed);
        for _ in 0..simulation.random.usize(..40) {
            simulation.step();
            if simulation.random.u8(..3) == 0 {
                let meanwhile = simulation.random.usize(..3);
                simulation.publish_diffs(meanwhile);
            }
        }
        while !simulation.dirty.is_empty() {
            simulation.publish_diffs(0);
        }
        let Presence { connected, anonymous_connected, announced, anonymous_announced } =
            simulation.presence;
        assert_eq!(
            (announced, anonymous_announced),
            (connected.into_iter().collect(), anonymous_connected),
            "{seed}"
        );
    }
}

#[test]
fn a_large_diff_is_split_into_several_updates() {
    let mut presence = Presence::default();
    let info = "7".repeat(1000);
    let mut dirty = Vec::new();
    for n in 0..1000 {
        let info = (n < 200).then_some(info.as_str());
        let key = presence.connect(&identity(Some(&format!("u{n}")), info), Joined::First);
        dirty.push((key.expect("is new"), false));
    }
    let mut parts = 0;
    while let Some(change) = presence.diff(&mut dirty) {
        parts += 1;
        assert!(change.joined.len() <= MAX_CHANGES);
        assert!(change.draft(channel("~a")).data.as_bytes().len() < 2 * MAX_BYTES);
        presence.apply(change);
    }
    assert_eq!(presence.announced.len(), 1000);
    assert!((6..12).contains(&parts), "{parts}");
}

fn join(
    hub: &Arc<Hub>,
    name: &str,
    user: Option<&str>,
    info: Option<&str>,
) -> Result<Subscription, JoinError> {
    let join = Join::new([channel(name)], identity(user, info), Wire::Sse).with_user_channel(true);
    hub.join(join).now_or_never().expect("at once").map(|(subscription, _)| subscription)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Clean,
    Crash,
}

/// A hub with presence, and its tracker, which runs on the fixture's own clock.
struct Fixture {
    hub: Arc<Hub>,
    tracker: PresenceTracker,
    now: Instant,
}

const RULES: PresenceConfig = PresenceConfig {
    grace: Duration::from_secs(5),
    restored_grace: Duration::from_secs(30),
    interval: Duration::from_secs(1),
    immediate: 3,
};

impl Fixture {
    fn new(channels: usize) -> Self {
        Self::begin(channels, |_| {})
    }

    /// Makes a hub over a log that begins with what `restore` does to it.
    fn begin(channels: usize, restore: impl FnOnce(&Log)) -> Self {
        let rules = ChannelRules::default().with_presence(true);
        let limits = Limits::default().with_rules(rules).with_channels(channels);
        let log = Arc::new(Log::new("test".parse().expect("an epoch"), limits));
        restore(&log);
        let engine = MemoryEngine::new(log.clone(), Duration::from_secs(60), 100);
        let hub = Hub::new(log, Arc::new(engine), Meters::new(), 10_000);
        Self { hub, tracker: PresenceTracker::new(RULES), now: Instant::now() }
    }

    /// Begins another life of the log after a clean end, or after a crash.
    fn restart(&self, end: End) -> Self {
        let old = self.hub.log();
        let next = Self::begin(100, |log| {
            let (epoch, head) = (old.epoch(), old.head().seq);
            log.begin(Beginning {
                epoch,
                lineage: vec![],
                after: head,
                head,
                extent: None,
                earlier: vec![],
                erased: vec![],
            });
            if end == End::Clean {
                assert_eq!(log.restore_presence(&old.presence_checkpoint()), 0);
            }
        });
        Self { now: self.now, ..next }
    }

    /// Returns whether a reader of the presence channel who resumes at `seq` is told a gap.
    fn has_gap_after(&self, seq: Seq) -> bool {
        let start = Start::After(self.hub.log().id(seq));
        let all = ReadLimit { messages: 1000, bytes: usize::MAX };
        let history = self.hub.history(&channel("~a"), start, all, None).now_or_never();
        history.expect("at once").expect("reads").gap.is_some()
    }

    fn join(&self, user: Option<&str>, info: Option<&str>) -> Subscription {
        join(&self.hub, "a", user, info).expect("joins")
    }

    /// Advances the clock by `time`, runs the tracker until then, and returns its updates.
    fn advance(&mut self, time: Duration) -> Vec<String> {
        let before = self.hub.log().head().seq;
        let end = self.now + time;
        loop {
            let dirty_users =
                match self.hub.log().poll_dirty_users(&Context::from_waker(Waker::noop())) {
                    Poll::Ready(dirty_users) => dirty_users,
                    Poll::Pending => match self.tracker.next_deadline().filter(|at| *at <= end) {
                        Some(at) => {
                            self.now = self.now.max(at);
                            Vec::new()
                        }
                        None => break,
                    },
                };
            self.tracker.process(&self.hub, dirty_users, self.now).now_or_never().expect("at once");
        }
        self.now = end;
        let start = Start::After(self.hub.log().id(before));
        let all = ReadLimit { messages: 1000, bytes: usize::MAX };
        let history = self.hub.history(&channel("~a"), start, all, None).now_or_never();
        let history = history.expect("at once").expect("reads");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        history.messages.iter().map(|message| text(message.draft.data.as_bytes())).collect()
    }

    fn settle(&mut self) -> Vec<String> {
        self.advance(Duration::ZERO)
    }
}

fn update_json(joined: &[&str], left: &[&str], users: u32, anonymous: u32) -> String {
    let joined: Vec<_> = joined.iter().map(|user| format!(r#"{{"user":"{user}"}}"#)).collect();
    let left: Vec<_> = left.iter().map(|user| format!(r#""{user}""#)).collect();
    let (joined, left) = (joined.join(","), left.join(","));
    format!(r#"{{"joined":[{joined}],"left":[{left}],"users":{users},"anonymous":{anonymous}}}"#)
}

#[test]
fn a_user_who_returns_within_the_grace_never_left() {
    let mut fixture = Fixture::new(100);
    let alice = fixture.join(Some("alice"), None);
    let second = fixture.join(Some("alice"), None);
    assert_eq!(fixture.settle(), [update_json(&["alice"], &[], 1, 0)], "two tabs are one user");
    drop(second);
    assert!(fixture.advance(10 * RULES.grace).is_empty(), "one tab is left");
    drop(alice);
    assert!(fixture.advance(RULES.grace * 9 / 10).is_empty());
    let alice = fixture.join(Some("alice"), None);
    assert!(fixture.advance(RULES.grace * 2).is_empty(), "a reload");
    drop(alice);
    assert!(fixture.advance(RULES.grace * 9 / 10).is_empty());
    assert_eq!(fixture.advance(RULES.grace / 5), [update_json(&[], &["alice"], 0, 0)]);
    assert_eq!(fixture.tracker.channel_count(), 0);
    // Each absence starts the grace period again.
    let alice = fixture.join(Some("alice"), None);
    fixture.settle();
    drop(alice);
    fixture.advance(RULES.grace * 4 / 5);
    let alice = fixture.join(Some("alice"), None);
    fixture.settle();
    drop(alice);
    assert!(fixture.advance(RULES.grace * 4 / 5).is_empty());
    assert_eq!(fixture.advance(RULES.grace).len(), 1);
}

#[test]
fn changed_info_is_announced_and_anonymous_clients_are_counted() {
    let mut fixture = Fixture::new(100);
    let first = fixture.join(Some("alice"), Some("1"));
    fixture.settle();
    let second = fixture.join(Some("alice"), Some("2"));
    let changed = r#"{"joined":[{"user":"alice","info":2}],"left":[],"users":1,"anonymous":0}"#;
    assert_eq!(fixture.settle(), [changed]);
    let anonymous = fixture.join(None, None);
    assert_eq!(fixture.settle(), [update_json(&[], &[], 1, 1)]);
    drop(anonymous);
    let anonymous = fixture.join(None, None);
    assert!(fixture.advance(2 * RULES.grace).is_empty(), "a reload");
    // Clients that connect and disconnect all the time do not keep the count from being correct.
    let more = [fixture.join(None, None), fixture.join(None, None)];
    assert_eq!(fixture.settle(), [update_json(&[], &[], 1, 3)]);
    drop(more);
    let mut counts = Vec::new();
    for _ in 0..10 {
        drop(fixture.join(None, None));
        counts.extend(fixture.advance(RULES.grace / 4));
    }
    assert_eq!(counts, [update_json(&[], &[], 1, 1)]);
    assert!(fixture.advance(RULES.grace).is_empty());
    drop((anonymous, first, second));
    // All departures are in one update.
    assert_eq!(fixture.advance(2 * RULES.grace), [update_json(&[], &["alice"], 0, 0)]);
    assert_eq!((fixture.tracker.channel_count(), fixture.tracker.next_deadline()), (0, None));
}

#[test]
fn a_large_channel_is_updated_once_per_interval() {
    let mut fixture = Fixture::new(100);
    let mut subscriptions: Vec<_> = Vec::new();
    for n in 0..3 {
        subscriptions.push(fixture.join(Some(&format!("u{n}")), None));
        assert_eq!(fixture.settle().len(), 1, "not throttled yet");
    }
    for n in 3..50 {
        subscriptions.push(fixture.join(Some(&format!("u{n}")), None));
        assert!(fixture.advance(RULES.interval / 60).is_empty(), "{n}");
    }
    // A user who leaves before the update is not in it.
    subscriptions.pop();
    let all = fixture.advance(RULES.interval);
    assert_eq!(all.len(), 1);
    assert!(all[0].ends_with(r#""left":[],"users":49,"anonymous":0}"#), "{}", all[0]);
    drop(subscriptions);
    let all = fixture.advance(3 * RULES.grace);
    assert_eq!(all.len(), 1);
    assert!(all[0].ends_with(r#""users":0,"anonymous":0}"#), "{}", all[0]);
}

#[test]
fn a_restart_announces_only_who_does_not_come_back() {
    let mut fixture = Fixture::new(100);
    let alice = fixture.join(Some("alice"), Some("1"));
    let others = [fixture.join(Some("bob"), None), fixture.join(None, None)];
    fixture.settle();
    let head = fixture.hub.log().head().seq;
    let mut next = fixture.restart(End::Clean);
    assert!(!next.has_gap_after(head), "a reader of the presence channel has missed nothing");
    assert!(next.has_gap_after(head - 1), "what it had not read is gone");
    let page = |fixture: &Fixture| {
        let page = fixture.hub.log().presence_page(channel("a"), None, 10).expect("has presence");
        serde_json::to_value(page).expect("serializes")
    };
    assert_eq!(page(&next), page(&fixture));
    assert!(next.advance(RULES.grace * 2).is_empty(), "the goodbyes are still being sent");
    let back = next.join(Some("alice"), Some("1"));
    let new = next.join(Some("carol"), None);
    let joined = next.settle();
    assert_eq!(joined, [update_json(&["carol"], &[], 3, 1)]);
    drop(new);
    assert_eq!(next.advance(RULES.grace), [update_json(&[], &["carol"], 2, 1)]);
    let left = update_json(&[], &["bob"], 1, 0);
    assert_eq!(next.advance(RULES.restored_grace), [left]);
    drop((alice, others, back));
}

#[test]
fn after_a_crash_nobody_is_listed_and_readers_are_told_a_gap() {
    let mut fixture = Fixture::new(100);
    let alice = fixture.join(Some("alice"), None);
    fixture.settle();
    let head = fixture.hub.log().head().seq;
    let mut next = fixture.restart(End::Crash);
    assert!(next.has_gap_after(head - 1));
    let again = next.join(Some("alice"), None);
    assert_eq!(next.settle(), [update_json(&["alice"], &[], 1, 0)]);
    drop((alice, again));
}

#[test]
fn a_presence_channel_that_everybody_has_left_goes_on_after_a_restart() {
    let mut fixture = Fixture::new(100);
    drop(fixture.join(Some("alice"), None));
    fixture.settle();
    let alice = fixture.join(Some("alice"), None);
    fixture.settle();
    drop(alice);
    assert_eq!(fixture.advance(2 * RULES.grace).len(), 1);
    let head = fixture.hub.log().head().seq;
    let next = fixture.restart(End::Clean);
    assert!(!next.has_gap_after(head));
    // Another restart without a change keeps it.
    let after = next.restart(End::Clean);
    assert!(!after.has_gap_after(head));
    assert!(fixture.restart(End::Crash).has_gap_after(head - 1));
}

/// At the limit of channels no user stays listed for want of a slot, and all state is freed.
#[test]
fn at_the_channel_limit_every_departure_is_announced_and_state_freed() {
    let mut fixture = Fixture::new(2);
    let alice = fixture.join(Some("alice"), None);
    assert_eq!(fixture.settle().len(), 1, "@alice, a, and ~a beyond the limit");
    assert!(join(&fixture.hub, "b", None, None).is_err(), "two channels are occupied");
    drop(alice);
    // a has no subscriber, but it is not evicted until alice's departure is announced.
    let other = join(&fixture.hub, "b", None, None).expect("@alice is evicted");
    assert!(join(&fixture.hub, "c", None, None).is_err());
    assert_eq!(fixture.advance(2 * RULES.grace), [update_json(&[], &["alice"], 0, 0)]);
    drop((other, join(&fixture.hub, "c", None, None).expect("now a slot is free")));
    fixture.advance(3 * RULES.grace);
    fixture.hub.sweep();
    fixture.hub.log().sweep(u64::MAX / 2);
    assert_eq!(fixture.hub.log().stats().channels, 0);
    assert_eq!((fixture.tracker.channel_count(), fixture.tracker.next_deadline()), (0, None));
}

/// The tracker runs while users connect and disconnect on other threads.
#[test]
fn concurrent_joins_and_leaves_are_never_left_over() {
    let mut fixture = Fixture::new(100);
    fixture.tracker = PresenceTracker::new(PresenceConfig { grace: Duration::ZERO, ..RULES });
    let until = Instant::now() + Duration::from_millis(300);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let hub = fixture.hub.clone();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                while Instant::now() < until {
                    let user = random.choice(["alice", "bob", "carol"]).filter(|_| random.bool());
                    drop(join(&hub, "a", user, None));
                }
            });
        }
        while Instant::now() < until {
            fixture.advance(Duration::from_millis(1));
        }
    });
    fixture.advance(Duration::from_secs(60));
    let page = fixture.hub.log().presence_page(channel("a"), None, 10).expect("has presence");
    let page = serde_json::to_value(page).expect("serializes");
    assert_eq!((&page["users"], &page["anonymous"]), (&serde_json::json!([]), &0.into()));
}

/// A user whose connection comes back while the process is stopped has not been accepted yet.
#[test]
fn a_stop_of_the_process_uses_up_no_grace_period() {
    let (mut clock, begin) = (TrackerClock::default(), Instant::now());
    let second = Duration::from_secs(1);
    let after = |seconds: u32| begin + seconds * second;
    assert_eq!(clock.after_wait(after(0), Some(after(5)), after(5)), after(5), "in time");
    assert_eq!(clock.after_wait(after(5), Some(after(8)), after(60)), after(5), "a stop");
    // What is left of the grace period begins after it.
    assert_eq!(clock.after_wait(after(60), Some(after(63)), after(63)), after(8));
    assert_eq!(clock.after_wait(after(63), None, after(99)), after(44), "a quiet time");
}
