//! The pace of a run, what holds it back, and who is told of it.

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, advance};
use tricast_core::{Draft, Identity};

use super::*;
use crate::{
    Busy, DEMO_MODEL, DEMO_URL, Head, Model, Prompt, RunObserver, RunReport, Runs, Starter,
    UpstreamConfig, Upstreams,
    world::{Call, Plan, Step, World, channel, done, event, finish, heard, prompt, text},
};

/// Words, one each so many milliseconds.
fn words(count: usize, millis: u64) -> Call {
    let pause = Step::Pause(Duration::from_millis(millis));
    let words = (0..count).flat_map(|at| [pause.clone(), text(&format!("{at} "))]);
    Call::Stream(words.chain([finish(), done()]).collect())
}

fn parallel() -> Prompt {
    Prompt { busy: Busy::Parallel, ..prompt() }
}

fn deltas(messages: &[serde_json::Value]) -> usize {
    messages.iter().filter(|one| one["event"] == "tricast.llm.delta").count()
}

#[tokio::test(start_paused = true)]
async fn a_rollup_joins_deltas_but_the_first_and_loses_none() {
    for (rollup, expected) in [(0, 100), (100, 11), (100_000, 2)] {
        let mut plan = Plan::new(vec![words(100, 10)]);
        plan.relay.rollup = Duration::from_millis(rollup);
        let world = plan.world();
        let messages = world.run().await;
        assert!(deltas(&messages).abs_diff(expected) <= 1, "{rollup}: {}", deltas(&messages));
        let all: String = (0..100).map(|at| format!("{at} ")).collect();
        assert_eq!(heard(&messages), all);
        let end = messages.last().expect("an end");
        assert_eq!((&end["status"], &end["ms"]["first"]), (&json!("complete"), &json!(10)));
        assert_eq!(messages[1]["choices"][0]["delta"]["content"], "0 ", "the first at once");
    }
}

/// What waits for its turn is published although nothing more comes.
#[tokio::test(start_paused = true)]
async fn a_rollup_does_not_wait_for_the_upstream() {
    let steps = vec![text("a"), text("b"), Step::Pause(Duration::from_secs(30)), finish()];
    let mut plan = Plan::new(vec![Call::Stream(steps)]);
    plan.relay.rollup = Duration::from_millis(100);
    let world = plan.world();
    let started = world.start().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(heard(&world.messages(started.run).await), "a");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(heard(&world.messages(started.run).await), "ab");
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_are_under_way_and_wait() {
    let mut plan = Plan::new(vec![words(1, 1000); 5]);
    plan.upstream.at_once = 1;
    let world = plan.world();
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(world.runs.start(parallel()).await.expect("a run").run);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((world.calls(), world.open()), (1, 1));
    let mut ends = Vec::new();
    for run in &runs {
        let end = world.runs.wait_for_end(run).await.expect("the run");
        ends.push((end.status, end.error.as_ref().map(|error| error.kind.name())));
    }
    assert_eq!(ends[..5], [(Status::Complete, None); 5]);
    assert_eq!(ends[5], (Status::Error, Some("crowded")), "one too many waits");
    assert_eq!(world.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_fails_too_often_is_not_called_for_a_while() {
    let mut plan = Plan::new([vec![Call::Unreachable; 3], vec![words(1, 1)]].concat());
    plan.upstream.retries = 0;
    plan.upstream.open_after = 3;
    let world = plan.world();
    let kind = async || {
        let messages = world.run().await;
        let end = messages.last().expect("an end").clone();
        end["error"]["type"].as_str().unwrap_or("none").to_owned()
    };
    for _ in 0..3 {
        assert_eq!(kind().await, "unreachable");
    }
    assert_eq!((kind().await, world.calls()), ("suspended".to_owned(), 3));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((kind().await, world.calls()), ("none".to_owned(), 4));
}

/// Time in which the process was stopped is to the timers what time that passes at once is.
#[tokio::test(start_paused = true)]
async fn a_stop_of_the_process_ends_no_run() {
    let steps = vec![text("a"), Step::Pause(Duration::from_secs(1)), text("b"), finish(), done()];
    let before = vec![Step::Pause(Duration::from_secs(1)), text("ab"), finish(), done()];
    for steps in [steps, before] {
        let world = World::new(vec![Call::Stream(steps)]);
        let orphan = Duration::from_secs(60);
        let run = world.runs.start(Prompt { orphan, ..prompt() }).await.expect("a run").run;
        tokio::time::sleep(Duration::from_millis(100)).await;
        advance(Duration::from_secs(3 * 3600)).await;
        let end = world.runs.wait_for_end(&run).await.expect("the run");
        assert_eq!(end.status, Status::Complete, "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_says_whether_the_upstream_answers() {
    let headed = Call::Stream(vec![Step::Pause(Duration::from_secs(10)), text("a"), finish()]);
    let refused = Call::Status(422, None, "{\"error\":{\"message\":\"no\"}}");
    for (call, expected) in [(headed, "open"), (refused, "422 no"), (Call::NoHead, "pending")] {
        let world = World::new(vec![call]);
        let started = world.start().await;
        let began = Instant::now();
        let head = world.runs.head(&started.run).await.expect("the run");
        let head = match head {
            Head::Open => "open".to_owned(),
            Head::Pending => "pending".to_owned(),
            Head::Ended(end) => end.error.as_ref().map_or_else(String::new, |error| {
                format!("{} {}", error.status.unwrap_or(0), error.message)
            }),
        };
        assert_eq!(head, expected);
        let waits = if expected == "pending" { 5 } else { 0 };
        assert_eq!(began.elapsed(), Duration::from_secs(waits));
    }
}

#[derive(Debug, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl RunObserver for Heard {
    fn started(&self, run: &RunReport) {
        self.0.lock().push(format!("started {}", run.status));
    }

    fn ended(&self, run: &RunReport) {
        self.0.lock().push(format!("ended {} {}", run.status, run.choices.get()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_the_start_and_of_the_end_with_the_answer() {
    let world = World::new(vec![words(1, 1), words(1, 1)]);
    world.run().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    world.runs.set_observer(Box::new(Heard(told.clone())));
    world.run().await;
    tokio::task::yield_now().await;
    let message = r#"{"content":"0 "}"#;
    let choices = format!(r#"[{{"index":0,"finish_reason":"stop","message":{message}}}]"#);
    assert_eq!(*told.lock(), ["started starting".to_owned(), format!("ended complete {choices}")]);
}

/// Publishing as a client cannot take the place of a message of a run.
#[tokio::test(start_paused = true)]
async fn no_publisher_takes_the_place_of_an_end() {
    let world = World::new(vec![words(1, 1000)]);
    let started = world.start().await;
    let id: Arc<str> = format!("end-{}", started.run).into();
    let forged = Draft::new(channel(), tricast_core::Data::Json("{}".to_owned()));
    world.hub.publish(forged.with_idempotency(id)).await.expect("is published");
    world.runs.wait_for_end(&started.run).await.expect("the run");
    let messages = world.messages(started.run).await;
    assert_eq!(messages.last().expect("an end")["event"], "tricast.llm.end");
}

#[tokio::test(start_paused = true)]
async fn the_demo_answers_like_an_upstream() {
    let world = World::new(Vec::new());
    let demo = UpstreamConfig {
        url: DEMO_URL.to_owned(),
        models: vec![Model { name: DEMO_MODEL.to_owned(), model: DEMO_MODEL.to_owned() }],
        ..UpstreamConfig::default()
    };
    let upstreams = Upstreams::new(vec![demo], None).expect("an upstream");
    let runs = Runs::with_upstreams(world.hub.clone(), RelayConfig::default(), upstreams);
    assert!(runs.models()[0].is_demo);
    let body = json!({"messages": [{"role": "user", "content": "hi"}], "n": 2});
    let request = ChatRequest::parse(body.to_string().as_bytes()).expect("a prompt");
    let address = Some("127.0.0.1".parse().expect("an address"));
    let identity = Identity { address, ..Identity::unverified(None, None) };
    let starter = Starter { identity, is_backend: false };
    let prompt = || Prompt { request: request.clone(), starter: starter.clone(), ..parallel() };
    let started = runs.start(prompt()).await.expect("a run");
    let second = runs.start(prompt()).await.expect("a second one");
    assert!(runs.start(prompt()).await.is_err(), "two for each address");
    let end = runs.wait_for_end(&started.run).await.expect("the run");
    assert_eq!((end.status, &*started.model), (Status::Complete, DEMO_MODEL));
    assert!(end.all > Duration::from_secs(2) && end.all < Duration::from_secs(20));
    let messages = world.messages(started.run).await;
    let last = messages.last().expect("an end");
    let text = |choice: usize| last["choices"][choice]["message"]["content"].clone();
    assert_eq!((text(0), text(1)), (heard(&messages).into(), heard(&messages).into()));
    assert!(deltas(&messages) > 50 && last["usage"].get("estimated").is_none());
    runs.wait_for_end(&second.run).await.expect("the run");
    runs.start(prompt()).await.expect("there is room again");
}

/// The usage of an upstream that tells it with each chunk is the last one, also when it is cut.
#[tokio::test(start_paused = true)]
async fn the_usage_is_the_last_that_was_told() {
    let usage = |tokens| event(&json!({"choices": [], "usage": {"completion_tokens": tokens}}));
    let steps = vec![usage(1), text("a"), usage(2), text("b"), Step::Cut];
    let world = World::new(vec![Call::Stream(steps)]);
    let messages = world.run().await;
    let end = messages.last().expect("an end");
    assert_eq!(
        (&end["error"]["type"], &end["usage"]),
        (&json!("cut"), &json!({"completion_tokens": 2}),)
    );
}
