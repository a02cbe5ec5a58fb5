//! The life of a run, from its prompt to its end.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    Busy, ChatRequest, Leave, PromptKey, PromptMark, Status,
    world::{Call, Plan, Step, World, channel, done, event, finish, heard, prompt, text},
};

/// An answer that takes a second for each word.
fn slow_answer() -> Call {
    let pause = Step::Pause(Duration::from_secs(1));
    let words = ["Hel", "lo ", "you"].into_iter().map(text);
    let steps = words.flat_map(|word| [pause.clone(), word]);
    Call::Stream(steps.chain([finish(), done()]).collect())
}

fn key(body: u8) -> Option<PromptKey> {
    Some(PromptKey { scope: "alice".into(), key: "k".into(), body_hash: [body; 32] })
}

#[tokio::test(start_paused = true)]
async fn a_prompt_becomes_a_start_deltas_and_one_end_with_the_whole_answer() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12});
    let Call::Stream(mut steps) = slow_answer() else { unreachable!() };
    steps.insert(7, event(&json!({"choices": [], "usage": usage})));
    let world = World::new(vec![Call::Stream(steps)]);
    let started = world.start().await;
    assert_eq!((started.attached, &*started.model), (false, "m"));
    let open = world.runs.open_in(&channel());
    assert_eq!((open.len(), open[0].run), (1, started.run));
    let end = world.runs.wait_for_end(&started.run).await.expect("the run");
    assert_eq!(end.status, Status::Complete);
    let messages = world.messages(started.run).await;
    let names: Vec<_> = messages.iter().map(|one| one["event"].as_str().expect("a name")).collect();
    let [start, delta, last] = ["tricast.llm.start", "tricast.llm.delta", "tricast.llm.end"];
    assert_eq!(names, [start, delta, delta, delta, last]);
    assert_eq!(messages[0]["model"], "m");
    assert!(messages[0]["time"].is_u64() && messages[0].get("user").is_none());
    assert_eq!(heard(&messages), "Hello you");
    let expected = json!({
        "run": started.run.to_string(), "event": last, "status": "complete",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Hello you"}}],
        "usage": usage, "ms": {"first": 1000, "all": 3000},
    });
    assert_eq!(messages[4], expected);
    let report = world.runs.report(&started.run).expect("it can still be asked for");
    let report = serde_json::to_value(report).expect("a document");
    assert_eq!((&report["status"], &report["ms"]["all"]), (&json!("complete"), &json!(3000)));
    assert!(world.runs.open_in(&channel()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_usage_that_nobody_told_is_estimated_and_marked() {
    let world = World::new(vec![slow_answer()]);
    let messages = world.run().await;
    let usage = &messages.last().expect("an end")["usage"];
    assert_eq!((&usage["completion_tokens"], &usage["estimated"]), (&json!(3), &json!(true)));
    let world = World::new(vec![Call::Status(404, None, "")]);
    let messages = world.run().await;
    assert!(messages.last().expect("an end").get("usage").is_none(), "nothing was used");
}

#[tokio::test(start_paused = true)]
async fn the_same_prompt_is_one_run_and_one_call() {
    let world = World::new(vec![slow_answer()]);
    let prompt = |body| Prompt { idempotency: key(body), ..prompt() };
    let first = world.runs.start(prompt(1)).await.expect("a run");
    for _ in 0..2 {
        let again = world.runs.start(prompt(1)).await.expect("the run");
        assert_eq!((again.run, again.id, again.attached), (first.run, first.id, true));
        let other = world.runs.start(prompt(2)).await;
        assert!(matches!(other, Err(PromptError::BodyMismatch)));
        world.runs.wait_for_end(&first.run).await.expect("the run");
    }
    assert_eq!(world.calls(), 1);
}

/// A repeat by an SDK is not paid twice, and gets nobody else's answer.
#[tokio::test(start_paused = true)]
async fn a_repeated_request_gets_the_run_that_its_first_response_has_left() {
    let prompt = || Prompt { busy: Busy::Parallel, ..prompt() };
    let mark = |body, is_repeat| {
        Some(PromptMark { scope: "alice".into(), body_hash: [body; 32], is_repeat })
    };
    let world = World::new(vec![slow_answer(); 9]);
    let start = async |mark| world.runs.start_marked(prompt(), mark).await.expect("a run");
    let first = start(mark(1, false)).await;
    let run = first.run;
    assert!(!start(mark(1, true)).await.attached, "the first response is there");
    drop(first);
    for other in [mark(1, false), mark(2, true), None] {
        assert!(!start(other.clone()).await.attached, "{other:?}");
    }
    let marked = start(mark(3, false)).await.run;
    let repeat = start(mark(3, true)).await;
    assert_eq!((repeat.run, repeat.attached), (marked, true));
    drop(repeat);
    assert!(!start(mark(3, true)).await.attached, "it was claimed");
    drop(start(mark(4, false)).await);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(!start(mark(4, true)).await.attached, "it is old");
    assert!(world.runs.report(&run).expect("the run").end.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_queued_prompt_is_asked_after_the_run_before_it() {
    let world = World::new(vec![slow_answer(), slow_answer()]);
    let first = world.start().await;
    let queued = Prompt { busy: Busy::Queue, ..prompt() };
    let second = world.runs.start(queued).await.expect("waits");
    assert_eq!(world.runs.report(&second.run).expect("the run").status, "queued");
    tokio::time::sleep(Duration::from_millis(2900)).await;
    assert_eq!(world.calls(), 1);
    assert!(world.runs.report(&first.run).expect("the run").end.is_none());
    world.runs.wait_for_end(&second.run).await.expect("the run");
    assert_eq!((world.calls(), heard(&world.messages(second.run).await)), (2, "Hello you".into()));
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_replaces_another_is_asked_after_its_end() {
    let world = World::new(vec![slow_answer(), slow_answer()]);
    let first = world.start().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let replaces = Prompt { busy: Busy::Replace, ..prompt() };
    let second = world.runs.start(replaces).await.expect("a run");
    let end = world.runs.wait_for_end(&first.run).await.expect("the run");
    assert_eq!((end.status, end.by), (Status::Cancelled, Some(By::Replaced)));
    assert!(end.choices.get().contains("\"Hel\""), "the answer so far stays: {end:?}");
    let end = world.runs.wait_for_end(&second.run).await.expect("the run");
    assert_eq!(end.status, Status::Complete);
    assert_eq!(heard(&world.messages(first.run).await), "Hel");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_response_is_gone_goes_on_or_is_cancelled_as_it_asked() {
    for (leave, expected) in [(Leave::Detach, Status::Complete), (Leave::Cancel, Status::Cancelled)]
    {
        let world = World::new(vec![slow_answer()]);
        let started = world.runs.start(Prompt { leave, ..prompt() }).await.expect("a run");
        let second = world.runs.listen(&started.run).expect("the run");
        drop(started.listening);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(world.open(), 1, "another one listens");
        drop(second);
        let end = world.runs.wait_for_end(&started.run).await.expect("the run");
        assert_eq!((end.status, world.open()), (expected, 0));
        let by = (leave == Leave::Cancel).then_some(By::Left);
        assert_eq!(end.by, by);
    }
    let world = World::new(vec![slow_answer()]);
    let prompt = Prompt { leave: Leave::Cancel, ..prompt() };
    let started = world.runs.start(prompt).await.expect("a run");
    started.listening.detach();
    let end = world.runs.wait_for_end(&started.run).await.expect("the run");
    assert_eq!(end.status, Status::Complete);
}

/// A client that goes away before it has its answer leaves no run without a driver.
#[tokio::test(start_paused = true)]
async fn a_prompt_whose_request_is_dropped_still_ends() {
    let world = World::new(vec![slow_answer()]);
    let runs = world.runs.clone();
    let mut request = Box::pin(runs.start(prompt()));
    assert!(futures_util::FutureExt::now_or_never(request.as_mut()).is_none());
    let run = world.runs.open_in(&channel())[0].run;
    drop(request);
    let end = world.runs.wait_for_end(&run).await.expect("the run");
    assert_eq!(end.status, Status::Complete);
    assert_eq!(world.messages(run).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_runs_end_and_then_says_that_it_has_ended_them() {
    for (grace, expected) in [(10, Status::Complete), (2, Status::Error)] {
        let world = World::new(vec![slow_answer()]);
        let started = world.start().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.runs.drain(Duration::from_secs(grace)).await;
        assert!(matches!(world.runs.start(prompt()).await, Err(PromptError::Draining)));
        let end = world.messages(started.run).await.pop().expect("an end");
        assert_eq!((&end["status"], world.open()), (&json!(expected.name()), 0), "{end}");
        if expected == Status::Error {
            assert_eq!(end["error"]["type"], "draining");
            assert_eq!(end["error"]["retryable"], true);
            assert_eq!(end["choices"][0]["message"]["content"], "Hello ");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_become_a_run_leaves_nothing() {
    let mut plan = Plan::new(vec![slow_answer()]);
    plan.relay.prompt_bytes = 100;
    let world = plan.world();
    let large = ChatRequest::of_text(&"x".repeat(100));
    let too_large = world.runs.start(Prompt { request: large, ..prompt() }).await;
    assert!(matches!(too_large, Err(PromptError::TooLarge(100))));
    let mut other = ChatRequest::of_text("hi");
    other.set_model("other");
    let unknown = world.runs.start(Prompt { request: other, ..prompt() }).await;
    assert!(matches!(unknown, Err(PromptError::UnknownModel(_))));
    world.hub.set_overloaded(true);
    let refused = world.runs.start(prompt()).await;
    assert!(matches!(refused, Err(PromptError::NotPublished(_))), "{refused:?}");
    assert!(world.runs.open_in(&channel()).is_empty() && world.calls() == 0);
    world.hub.set_overloaded(false);
    let messages: Vec<Value> = world.run().await;
    assert_eq!(heard(&messages), "Hello you");
}
