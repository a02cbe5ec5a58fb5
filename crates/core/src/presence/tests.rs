//! What is told adds up to who is there, whatever happens while it is on its way; and it is told when it should.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;

use super::{tracker::Registrar, *};
use crate::{
    Bounds, ChannelRules, Draft, Hub, Join, JoinError, Limits, MemoryEngine, Meters, Namespaces,
    Portion, SlowReader, Start, Subscription, Wire,
};

fn channel(name: &str) -> ChannelName {
    name.parse().expect("fits")
}

fn identity(user: Option<&str>, info: Option<&str>) -> Identity {
    let mut identity = Identity::claimed(None, user.map(|user| user.parse().expect("a user")));
    identity.info = info.map(Arc::from);
    identity
}

#[test]
fn a_change_is_read_as_it_was_written() {
    let user = |name: &str| name.parse::<UserId>().expect("a user");
    let change = PresenceChange {
        joined: vec![
            Person { user: user("alice"), info: Some(r#"{"b":1.50,"a":"x\n"}"#.into()) },
            Person { user: user("bob"), info: None },
        ],
        left: vec![user("carol")],
        users: 2,
        anonymous: 3,
    };
    let draft = change.draft(channel("~a"));
    let text = r#"{"joined":[{"user":"alice","info":{"b":1.50,"a":"x\n"}},{"user":"bob"}],"left":["carol"],"users":2,"anonymous":3}"#;
    assert_eq!(std::str::from_utf8(draft.data.as_bytes()), Ok(text));
    let told = Told::of(&draft).expect("reads");
    assert_eq!((told.channel, told.change), (channel("a"), change));
    let elsewhere = Draft { channel: channel("a"), ..draft };
    assert!(Told::of(&elsewhere).is_none());
}

/// People who come and go at any moment: before a look, and while what it found is on its way.
struct Town {
    random: fastrand::Rng,
    presence: Presence,
    /// Open tabs of each user, and strangers.
    tabs: HashMap<Who, u32>,
    pending: HashMap<Who, bool>,
    /// Whom a reader of the messages believes to be there.
    told: BTreeMap<UserId, Info>,
}

impl Town {
    fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let presence = Presence::default();
        let (tabs, pending, told) = Default::default();
        Self { random, presence, tabs, pending, told }
    }

    /// Somebody comes or goes.
    fn happen(&mut self) {
        let named = self.random.u8(..4) > 0;
        let user = self.random.choice(["alice", "bob", "carol"]).filter(|_| named);
        let identity = identity(user, self.random.choice(["1", "2"]));
        let count = self.tabs.entry(identity.user.clone()).or_default();
        if self.random.bool() {
            *count += 1;
            // Each stranger is a persona of its own.
            let who = self.presence.arrive(&identity, *count == 1 || !named);
            who.into_iter().for_each(|who| self.note(who, false));
        } else if *count > 0 {
            *count -= 1;
            if *count == 0 || !named {
                let who = self.presence.depart(&identity);
                self.note(who, true);
            }
        }
    }

    fn note(&mut self, who: Who, gone: bool) {
        let stranger_gone = who.is_none() && self.pending.get(&who) == Some(&true);
        self.pending.insert(who, gone || stranger_gone);
    }

    /// Looks at whom the notes name, and tells; so much happens while that is on its way.
    fn look(&mut self, meanwhile: usize) {
        let mut looked: Vec<_> = self.pending.drain().collect();
        while !looked.is_empty() {
            let Some(change) = self.presence.difference(&mut looked) else { continue };
            (0..meanwhile).for_each(|_| self.happen());
            let PresenceChange { joined, left, users, anonymous } = change.clone();
            self.told.extend(joined.into_iter().map(|one| (one.user, one.info)));
            left.iter().for_each(|user| drop(self.told.remove(user)));
            let stayed = self.presence.apply(change);
            stayed.into_iter().for_each(|who| self.note(who, false));
            assert_eq!(self.presence.members, self.told, "by its messages alone");
            assert_eq!(users as usize, self.told.len());
            assert_eq!(anonymous, self.presence.anonymous());
        }
    }
}

#[test]
fn what_is_told_adds_up_to_who_is_there() {
    for seed in 0..3000 {
        let mut town = Town::new(seed);
        for _ in 0..town.random.usize(..40) {
            town.happen();
            if town.random.u8(..3) == 0 {
                let meanwhile = town.random.usize(..3);
                town.look(meanwhile);
            }
        }
        while !town.pending.is_empty() {
            town.look(0);
        }
        let Presence { here, strangers, members, anonymous } = town.presence;
        assert_eq!((members, anonymous), (here.into_iter().collect(), strangers), "{seed}");
    }
}

#[test]
fn a_crowd_is_told_in_parts() {
    let mut presence = Presence::default();
    let info = "7".repeat(1000);
    let mut looked = Vec::new();
    for n in 0..1000 {
        let info = (n < 200).then_some(info.as_str());
        let who = presence.arrive(&identity(Some(&format!("u{n}")), info), true);
        looked.push((who.expect("is new"), false));
    }
    let mut parts = 0;
    while let Some(change) = presence.difference(&mut looked) {
        parts += 1;
        assert!(change.joined.len() <= CHANGES);
        assert!(change.draft(channel("~a")).data.as_bytes().len() < 2 * BYTES);
        presence.apply(change);
    }
    assert_eq!(presence.members.len(), 1000);
    assert!((6..12).contains(&parts), "{parts}");
}

fn join(
    hub: &Arc<Hub>,
    name: &str,
    user: Option<&str>,
    info: Option<&str>,
) -> Result<Subscription, JoinError> {
    let join = Join {
        channels: vec![channel(name)],
        identity: identity(user, info).into(),
        wire: Wire::Sse,
        start: Start::Latest,
        online: false,
        own: true,
    };
    hub.join(join).now_or_never().expect("at once").map(|(subscription, _)| subscription)
}

/// A hub that tells presence, and its registrar in a time of its own.
struct Stage {
    hub: Arc<Hub>,
    registrar: Registrar,
    now: Instant,
}

const RULES: PresenceRules =
    PresenceRules { grace: Duration::from_secs(5), interval: Duration::from_secs(1), immediate: 3 };

impl Stage {
    fn new(channels: usize) -> Self {
        let rules = ChannelRules {
            namespace: 0,
            history: Bounds { messages: 1000, bytes: 1 << 20, age: Duration::from_secs(3600) },
            slow_reader: SlowReader::Gap,
            online: true,
            subscribers: u32::MAX,
            presence: true,
        };
        let rules = Namespaces::new(Vec::new(), Arc::new(rules));
        let limits = Limits { rules, memory_bytes: 1 << 24, channels, tombstones: 100 };
        let log = Arc::new(Log::new("test".parse().expect("an epoch"), limits));
        let engine = MemoryEngine::new(log.clone(), Duration::from_secs(60), 100);
        let hub = Hub::new(log, Arc::new(engine), Meters::new(), 10_000);
        Self { hub, registrar: Registrar::new(RULES), now: Instant::now() }
    }

    fn join(&self, user: Option<&str>, info: Option<&str>) -> Subscription {
        join(&self.hub, "a", user, info).expect("joins")
    }

    /// Lets time pass, and looks at what happens until then; gives what was told.
    fn pass(&mut self, time: Duration) -> Vec<String> {
        let before = self.hub.log().head().seq;
        let end = self.now + time;
        loop {
            let notes = match self.hub.log().poll_notes(&Context::from_waker(Waker::noop())) {
                Poll::Ready(notes) => notes,
                Poll::Pending => match self.registrar.next().filter(|at| *at <= end) {
                    Some(at) => {
                        self.now = self.now.max(at);
                        Vec::new()
                    }
                    None => break,
                },
            };
            self.registrar.round(&self.hub, notes, self.now).now_or_never().expect("at once");
        }
        self.now = end;
        let start = Start::After(self.hub.log().id(before));
        let all = Portion { messages: 1000, bytes: usize::MAX };
        let told = self.hub.log().history(&channel("~a"), start, all).expect("was reached");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        told.messages.iter().map(|message| text(message.draft.data.as_bytes())).collect()
    }

    fn soon(&mut self) -> Vec<String> {
        self.pass(Duration::ZERO)
    }
}

fn told(joined: &[&str], left: &[&str], users: u32, anonymous: u32) -> String {
    let joined: Vec<_> = joined.iter().map(|user| format!(r#"{{"user":"{user}"}}"#)).collect();
    let left: Vec<_> = left.iter().map(|user| format!(r#""{user}""#)).collect();
    let (joined, left) = (joined.join(","), left.join(","));
    format!(r#"{{"joined":[{joined}],"left":[{left}],"users":{users},"anonymous":{anonymous}}}"#)
}

#[test]
fn who_comes_back_in_time_was_never_away() {
    let mut stage = Stage::new(100);
    let alice = stage.join(Some("alice"), None);
    let second = stage.join(Some("alice"), None);
    assert_eq!(stage.soon(), [told(&["alice"], &[], 1, 0)], "two tabs are one");
    drop(second);
    assert!(stage.pass(10 * RULES.grace).is_empty(), "one tab is left");
    drop(alice);
    assert!(stage.pass(RULES.grace * 9 / 10).is_empty());
    let alice = stage.join(Some("alice"), None);
    assert!(stage.pass(RULES.grace * 2).is_empty(), "a reload");
    drop(alice);
    assert!(stage.pass(RULES.grace * 9 / 10).is_empty());
    assert_eq!(stage.pass(RULES.grace / 5), [told(&[], &["alice"], 0, 0)]);
    assert_eq!(stage.registrar.rooms(), 0);
    // The last time counts: each absence has all of the grace.
    let alice = stage.join(Some("alice"), None);
    stage.soon();
    drop(alice);
    stage.pass(RULES.grace * 4 / 5);
    let alice = stage.join(Some("alice"), None);
    stage.soon();
    drop(alice);
    assert!(stage.pass(RULES.grace * 4 / 5).is_empty());
    assert_eq!(stage.pass(RULES.grace).len(), 1);
}

#[test]
fn other_info_is_told_again_and_strangers_are_counted() {
    let mut stage = Stage::new(100);
    let first = stage.join(Some("alice"), Some("1"));
    stage.soon();
    let second = stage.join(Some("alice"), Some("2"));
    let changed = r#"{"joined":[{"user":"alice","info":2}],"left":[],"users":1,"anonymous":0}"#;
    assert_eq!(stage.soon(), [changed]);
    let stranger = stage.join(None, None);
    assert_eq!(stage.soon(), [told(&[], &[], 1, 1)]);
    drop(stranger);
    let stranger = stage.join(None, None);
    assert!(stage.pass(2 * RULES.grace).is_empty(), "a reload");
    // Whoever comes and goes in between does not keep the count from being true.
    let more = [stage.join(None, None), stage.join(None, None)];
    assert_eq!(stage.soon(), [told(&[], &[], 1, 3)]);
    drop(more);
    let mut counts = Vec::new();
    for _ in 0..10 {
        drop(stage.join(None, None));
        counts.extend(stage.pass(RULES.grace / 4));
    }
    assert_eq!(counts, [told(&[], &[], 1, 1)]);
    assert!(stage.pass(RULES.grace).is_empty());
    drop((stranger, first, second));
    // All that has come is told together.
    assert_eq!(stage.pass(2 * RULES.grace), [told(&[], &["alice"], 0, 0)]);
    assert_eq!((stage.registrar.rooms(), stage.registrar.next()), (0, None));
}

#[test]
fn a_crowd_is_told_once_in_an_interval() {
    let mut stage = Stage::new(100);
    let mut crowd: Vec<_> = Vec::new();
    for n in 0..3 {
        crowd.push(stage.join(Some(&format!("u{n}")), None));
        assert_eq!(stage.soon().len(), 1, "no crowd yet");
    }
    for n in 3..50 {
        crowd.push(stage.join(Some(&format!("u{n}")), None));
        assert!(stage.pass(RULES.interval / 60).is_empty(), "{n}");
    }
    // Somebody who is gone before that has not been there.
    crowd.pop();
    let all = stage.pass(RULES.interval);
    assert_eq!(all.len(), 1);
    assert!(all[0].ends_with(r#""left":[],"users":49,"anonymous":0}"#), "{}", all[0]);
    drop(crowd);
    let all = stage.pass(3 * RULES.grace);
    assert_eq!(all.len(), 1);
    assert!(all[0].ends_with(r#""users":0,"anonymous":0}"#), "{}", all[0]);
}

/// With as many channels as may be nobody stays listed for want of room, and at the end nothing is left.
#[test]
fn at_the_limit_of_channels_everything_is_told_and_forgotten() {
    let mut stage = Stage::new(2);
    let alice = stage.join(Some("alice"), None);
    assert_eq!(stage.soon().len(), 1, "@alice, a, and ~a beyond the limit");
    assert!(join(&stage.hub, "b", None, None).is_err(), "two channels are heard");
    drop(alice);
    // Nobody listens to a, but it makes no room while alice is not told gone.
    let other = join(&stage.hub, "b", None, None).expect("@alice is forgotten");
    assert!(join(&stage.hub, "c", None, None).is_err());
    assert_eq!(stage.pass(2 * RULES.grace), [told(&[], &["alice"], 0, 0)]);
    drop((other, join(&stage.hub, "c", None, None).expect("now there is room")));
    stage.pass(3 * RULES.grace);
    stage.hub.sweep();
    stage.hub.log().sweep(u64::MAX / 2);
    assert_eq!(stage.hub.log().fill().channels, 0);
    assert_eq!((stage.registrar.rooms(), stage.registrar.next()), (0, None));
}

/// The registrar looks while others come and go on their own threads.
#[test]
fn coming_and_going_at_once_leaves_no_trace() {
    let mut stage = Stage::new(100);
    stage.registrar = Registrar::new(PresenceRules { grace: Duration::ZERO, ..RULES });
    let until = Instant::now() + Duration::from_millis(300);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let hub = stage.hub.clone();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                while Instant::now() < until {
                    let user = random.choice(["alice", "bob", "carol"]).filter(|_| random.bool());
                    drop(join(&hub, "a", user, None));
                }
            });
        }
        while Instant::now() < until {
            stage.pass(Duration::from_millis(1));
        }
    });
    stage.pass(Duration::from_secs(60));
    let page = stage.hub.log().presence(channel("a"), None, 10).expect("is told");
    let page = serde_json::to_value(page).expect("serializes");
    assert_eq!((&page["users"], &page["anonymous"]), (&serde_json::json!([]), &0.into()));
}
