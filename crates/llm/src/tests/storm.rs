//! Many prompts at once, whatever happens to them: each run that has begun ends once, its calls are
//! closed, and nothing of it is left among the open ones.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::*;
use crate::{
    Busy, ErrorKind, Leave, Planted, PromptKey, Status,
    world::{Call, Plan, Step, World, comment_step, done, event, finish, heard, prompt, text},
};

const SEEDS: u64 = 300;
const PROMPTS: usize = 12;

fn pause(random: &mut Rng) -> Step {
    let longest = *random.choice(&[1, 100, 3_000, 70_000]).unwrap_or(&1);
    Step::Pause(Duration::from_millis(random.u64(0..=longest)))
}

fn stream(random: &mut Rng) -> Call {
    let mut steps = Vec::new();
    for at in 0..random.usize(0..8) {
        steps.push(match random.u8(0..20) {
            0 => Step::Cut,
            1 => Step::Hang,
            2 => Step::Bytes("data: nonsense\n\n".to_owned()),
            3 => event(&json!({"error": {"message": "no"}})),
            4 => text("canary-0123456789"),
            5 => comment_step(),
            6..10 => pause(random),
            _ => text(&format!("{at} ")),
        });
    }
    if random.u8(0..4) > 0 {
        steps.push(finish());
    }
    if random.bool() {
        steps.push(done());
    }
    Call::Stream(steps)
}

fn call(random: &mut Rng) -> Call {
    match random.u8(0..16) {
        0 => Call::Unreachable,
        1 => Call::CutBefore,
        2 => Call::NoHead,
        3 => Call::Status(503, Some(Duration::from_secs(random.u64(0..40))), ""),
        4 => Call::Status(400, None, "{\"error\":\"no\"}"),
        5 => Call::Whole("{\"choices\":[{\"message\":{\"content\":\"all\"}}]}".to_owned()),
        _ => stream(random),
    }
}

fn plan(random: &mut Rng) -> Plan {
    // Each prompt has at most this many calls.
    let calls = (0..PROMPTS * 6).map(|_| call(random)).collect();
    let mut plan = Plan::new(calls);
    plan.upstream.retries = random.u32(0..3);
    plan.upstream.at_once = random.usize(1..6);
    plan.upstream.total = Duration::from_secs(600);
    plan.relay.rollup = Duration::from_millis(*random.choice(&[0, 20, 500]).unwrap_or(&0));
    plan.relay.runs_per_user = random.usize(0..6);
    plan.spare = random.bool().then(|| (0..PROMPTS * 6).map(|_| call(random)).collect());
    plan
}

/// Makes a prompt at some time, and perhaps leaves or cancels it at another; returns the run.
async fn client(runs: Runs, mut random: Rng) -> Option<RunId> {
    sleep(Duration::from_millis(random.u64(0..20_000))).await;
    let busy = [Busy::Refuse, Busy::Queue, Busy::Replace, Busy::Parallel];
    let key = random.u8(0..3) == 0;
    let key = key.then(|| PromptKey {
        scope: "alice".into(),
        key: random.u8(0..3).to_string().into(),
        body_hash: [random.u8(0..2); 32],
    });
    let prompt = Prompt {
        busy: *random.choice(&busy).unwrap_or(&Busy::Parallel),
        leave: if random.bool() { Leave::Detach } else { Leave::Cancel },
        orphan: Duration::from_secs(random.u64(0..2) * 30),
        idempotency: key,
        ..prompt()
    };
    let patience = Duration::from_millis(random.u64(0..90_000));
    let started = match timeout(patience, runs.start(prompt)).await {
        Ok(Ok(started)) => started,
        Ok(Err(_)) | Err(_) => return None,
    };
    let run = started.run;
    match random.u8(0..3) {
        0 => started.listening.detach(),
        1 => {
            sleep(patience).await;
            runs.cancel(&run, By::User).await;
        }
        _ => sleep(patience).await,
    }
    Some(run)
}

async fn check(world: &World, run: RunId) {
    let end = world.runs.wait_for_end(&run).await.expect("the run");
    let messages = world.messages(run).await;
    let named = |name: &str| messages.iter().filter(|one| one["event"] == name).count();
    assert_eq!((named("tricast.llm.start"), named("tricast.llm.end")), (1, 1), "{messages:?}");
    let (first, last) = (&messages[0], messages.last().expect("an end"));
    assert_eq!(first["event"], "tricast.llm.start");
    assert_eq!(
        (&last["event"], &last["status"]),
        (&json!("tricast.llm.end"), &json!(end.status.name()))
    );
    let told = last["choices"][0]["message"]["content"].as_str().unwrap_or_default();
    let heard = heard(&messages);
    let is_withdrawn = end.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Key);
    assert!(is_withdrawn || told.starts_with(&heard), "{heard:?} is not in {told:?}");
    if end.status == Status::Complete {
        assert_eq!(last["choices"][0]["finish_reason"], "stop", "{last}");
        assert_eq!(heard, told);
    }
    assert!(!Value::from(messages.clone()).to_string().contains("canary-0123456789"));
}

async fn storm(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let world = plan(&mut random).world();
    let clients: Vec<_> =
        (0..PROMPTS).map(|_| tokio::spawn(client(world.runs.clone(), random.fork()))).collect();
    if random.u8(0..4) == 0 {
        let hub = world.hub.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(5)).await;
            hub.set_overloaded(true);
            sleep(Duration::from_secs(10)).await;
            hub.set_overloaded(false);
        });
    }
    if random.u8(0..3) == 0 {
        sleep(Duration::from_millis(random.u64(0..60_000))).await;
        world.runs.drain(Duration::from_millis(random.u64(0..20_000))).await;
        assert_eq!(world.runs.open_count(), 0, "a drain ends all");
    }
    for client in clients {
        if let Some(run) = client.await.expect("no panic") {
            check(&world, run).await;
        }
    }
    // Those whose clients have gone before they began.
    while world.runs.open_count() > 0 {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.open(), 0, "connections are open");
    world.runs.assert_idle();
}

fn all_storms(seeds: u64) {
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(storm(seed));
    }
}

#[test]
fn whatever_happens_each_run_ends_once_and_leaves_nothing() {
    all_storms(SEEDS);
}

#[test]
fn each_planted_bug_is_found() {
    let of_table = [Planted::EndBelieved, Planted::OffsetStale, Planted::KeyPassed];
    for bug in of_table.iter().chain(Planted::STORM) {
        Planted::plant(Some(*bug));
        let found = std::panic::catch_unwind(|| all_storms(SEEDS));
        Planted::plant(None);
        assert!(found.is_err(), "{bug:?} is not found");
    }
}
