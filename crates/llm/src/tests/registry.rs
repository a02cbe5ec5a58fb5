//! Which prompts become runs, and which runs can be asked for afterwards.

use serde_json::value::RawValue;
use tricast_core::Identity;

use super::*;
use crate::{Face, Leave, Phase, RunEnd, Status};

fn starter(user: Option<&str>, address: &str) -> Starter {
    let user = user.map(|user| user.parse().expect("a user"));
    let trust = if user.is_some() { Trust::Verified } else { Trust::Anonymous };
    let address = Some(address.parse().expect("an address"));
    let identity = Identity { trust, address, ..Identity::unverified(None, user) };
    Starter { identity, is_backend: false }
}

fn run_of(starter: Starter, channel: &str) -> Arc<Run> {
    let channel = channel.parse().expect("a channel");
    Arc::new(Run::new(channel, "m".to_owned(), starter, Face::Native, Leave::Detach))
}

fn run(channel: &str) -> Arc<Run> {
    run_of(Starter { is_backend: true, ..starter(None, "192.0.2.1") }, channel)
}

fn key(key: &str, body: u8) -> Option<PromptKey> {
    Some(PromptKey { scope: "alice".into(), key: key.into(), body_hash: [body; 32] })
}

#[derive(Default)]
struct World {
    registry: Registry,
    relay: RelayConfig,
}

impl World {
    fn admit_as(
        &mut self,
        run: &Arc<Run>,
        change: impl FnOnce(&mut Admission<'_>),
    ) -> Result<Admitted, PromptError> {
        let relay = &self.relay;
        let mut admission = Admission {
            busy: Busy::Parallel,
            key: None,
            mark: None,
            prompt_bytes: 10,
            is_demo: false,
            relay,
        };
        change(&mut admission);
        self.registry.admit(run, admission)
    }

    fn admit(&mut self, run: &Arc<Run>, busy: Busy) -> Result<Vec<RunId>, PromptError> {
        match self.admit_as(run, |admission| admission.busy = busy)? {
            Admitted::New { before } => Ok(before.iter().map(|run| run.id).collect()),
            Admitted::Repeat(run) => panic!("{run:?} is no repeat"),
        }
    }

    fn end(&mut self, run: &Run) {
        self.end_with(run, "[]");
    }

    fn end_with(&mut self, run: &Run, choices: &str) {
        let choices = RawValue::from_string(choices.to_owned()).expect("JSON");
        let (first, all) = (None, Duration::ZERO);
        let (status, usage, by, error) = (Status::Complete, None, None, None);
        run.end(RunEnd { status, choices, usage, first, all, by, error });
        self.registry.end(run, self.relay.keep);
    }
}

#[tokio::test]
async fn a_busy_channel_refuses_queues_replaces_or_runs_beside() {
    let mut world = World::default();
    let [one, two, three, four] = [(); 4].map(|()| run("chat"));
    assert_eq!(world.admit(&one, Busy::Refuse).expect("the first"), []);
    let refused = world.admit(&two, Busy::Refuse).expect_err("the channel has a run");
    assert!(matches!(refused, PromptError::Busy { run } if run == one.id));
    assert_eq!(world.admit(&run("other"), Busy::Refuse).expect("another channel"), []);
    assert_eq!(world.admit(&two, Busy::Queue).expect("waits"), [one.id]);
    assert_eq!(world.admit(&three, Busy::Parallel).expect("waits for none"), []);
    assert_eq!(world.admit(&four, Busy::Replace).expect("replaces"), [one.id, two.id, three.id]);
    for replaced in [&one, &two, &three] {
        assert_eq!(replaced.stopped().await, Stop::Cancelled(By::Replaced));
    }
    let open: Vec<_> = world.registry.open_in(&four.channel).iter().map(|run| run.id).collect();
    assert_eq!(open, [one.id, two.id, three.id, four.id]);
    for run in [&one, &two, &three, &four] {
        world.end(run);
    }
    assert!(world.registry.open_in(&four.channel).is_empty());
    assert_eq!(world.admit(&run("chat"), Busy::Refuse).expect("free again"), []);
}

#[tokio::test]
async fn the_queue_of_a_channel_is_bounded() {
    let mut world = World::default();
    for waiting in 0..=QUEUED {
        let before = world.admit(&run("chat"), Busy::Queue).expect("waits");
        assert_eq!(before.len(), waiting);
    }
    let full = world.admit(&run("chat"), Busy::Queue);
    assert!(matches!(full, Err(PromptError::QueueFull)));
}

#[tokio::test]
async fn a_user_and_an_address_have_so_many_runs_and_a_backend_any_number() {
    let mut world = World::default();
    world.relay.runs_per_user = 2;
    let alice = |address| run_of(starter(Some("alice"), address), "chat");
    let nobody = |address| run_of(starter(None, address), "chat");
    let claims = |address| {
        let mut claims = starter(Some("alice"), address);
        claims.identity.trust = Trust::Unverified;
        run_of(claims, "chat")
    };
    let first = alice("192.0.2.1");
    world.admit(&first, Busy::Parallel).expect("one");
    world.admit(&alice("192.0.2.2"), Busy::Parallel).expect("two");
    for refused in [alice("192.0.2.3"), alice("192.0.2.1")] {
        let refused = world.admit(&refused, Busy::Parallel);
        assert!(matches!(refused, Err(PromptError::TooManyRuns(2))));
    }
    // Who only claims to be alice counts by the address; a /64 is one of them.
    world.admit(&claims("2001:db8::1"), Busy::Parallel).expect("one");
    world.admit(&nobody("2001:db8::2"), Busy::Parallel).expect("two");
    assert!(world.admit(&nobody("2001:db8::3"), Busy::Parallel).is_err());
    for _ in 0..10 {
        world.admit(&run("chat"), Busy::Parallel).expect("a backend");
    }
    world.end(&first);
    world.admit(&alice("192.0.2.1"), Busy::Parallel).expect("one has ended");
}

#[tokio::test]
async fn the_demo_runs_twice_for_an_address() {
    let mut world = World::default();
    let mut admit = |address| {
        let run = run_of(starter(None, address), "chat");
        world.admit_as(&run, |admission| admission.is_demo = true)
    };
    admit("192.0.2.1").expect("one");
    admit("192.0.2.1").expect("two");
    assert!(matches!(admit("192.0.2.1"), Err(PromptError::TooManyRuns(2))));
    admit("192.0.2.2").expect("another address");
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_the_same_run_until_it_is_forgotten() {
    let mut world = World::default();
    let first = run("chat");
    let with = |world: &mut World, run: &Arc<Run>, prompt: Option<PromptKey>| {
        world.admit_as(run, |admission| {
            admission.key = prompt;
            admission.busy = Busy::Refuse;
        })
    };
    with(&mut world, &first, key("k", 1)).expect("the first");
    for _ in 0..2 {
        let again = with(&mut world, &run("chat"), key("k", 1)).expect("a repeat");
        assert!(matches!(again, Admitted::Repeat(run) if run.id == first.id));
        let other = with(&mut world, &run("chat"), key("k", 2));
        assert!(matches!(other, Err(PromptError::BodyMismatch)));
        world.end(&first);
    }
    let mut elsewhere = key("k", 2).expect("a key");
    elsewhere.scope = "bob".into();
    let bob = run("bob");
    with(&mut world, &bob, Some(elsewhere)).expect("a key of another one");
    tokio::time::advance(KEPT_FOR).await;
    let later = with(&mut world, &run("chat"), key("k", 2)).expect("the key is free");
    assert!(matches!(later, Admitted::New { .. }));
    assert!(world.registry.find(&first.id).is_none() && world.registry.find(&bob.id).is_some());
}

#[tokio::test]
async fn ended_runs_are_bounded_in_number_and_bytes_and_by_channel() {
    let mut world = World::default();
    world.relay.keep = 3;
    let mut runs: Vec<_> = (0..5).map(|_| run("chat")).collect();
    runs.iter().for_each(|run| drop(world.admit(run, Busy::Parallel)));
    runs.iter().for_each(|run| world.end(run));
    let kept = |world: &mut World, runs: &[Arc<Run>]| {
        runs.iter().filter(|run| world.registry.find(&run.id).is_some()).count()
    };
    assert_eq!(kept(&mut world, &runs), 3);
    assert!(world.registry.find(&runs[1].id).is_none(), "the oldest go");
    runs = (0..KEPT).map(|at| run(&format!("c{at}"))).collect();
    for run in &runs {
        world.admit(run, Busy::Parallel).expect("is admitted");
        world.end(run);
    }
    assert_eq!((kept(&mut world, &runs), world.registry.ended.len()), (KEPT, KEPT));
    let large = format!("\"{}\"", "x".repeat(KEPT_BYTES / 2));
    for at in 0..3 {
        let run = run(&format!("large{at}"));
        world.admit(&run, Busy::Parallel).expect("is admitted");
        world.end_with(&run, &large);
    }
    assert!(world.registry.ended_bytes <= KEPT_BYTES);
    assert_eq!(world.registry.ended.len(), 1);
    assert_eq!(world.registry.runs.len(), 1, "nothing else is left of those that went");
}

#[tokio::test]
async fn the_prompts_of_open_runs_are_bounded_and_a_run_that_did_not_start_leaves_nothing() {
    let mut world = World::default();
    let large = |admission: &mut Admission<'_>| {
        admission.prompt_bytes = PROMPT_MEMORY + 1;
        admission.key = key("k", 1);
    };
    let first = run("chat");
    world.admit_as(&first, large).expect("fits");
    assert!(matches!(world.admit(&run("chat"), Busy::Parallel), Err(PromptError::Full)));
    first.set_phase(Phase::Ended);
    world.registry.withdraw(&first);
    let Registry { runs, open, holders, keys, ended, prompt_bytes, .. } = &world.registry;
    assert!(runs.is_empty() && open.is_empty() && holders.is_empty() && keys.is_empty());
    assert!(ended.is_empty() && *prompt_bytes == 0);
    world.admit_as(&run("chat"), large).expect("there is room");
}
