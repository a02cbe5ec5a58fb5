//! What is seen of an upstream, and how the run ends then. No row is wrong, and each planted bug
//! makes one wrong.

#[path = "rows.rs"]
mod rows;

use std::time::Duration;

use serde_json::{Value, json};
use tricast_core::{Join, Wire};

use self::rows::{Act, Row, table};
use super::*;
use crate::{
    Busy, By, Planted, Prompt, Starter,
    world::{World, channel, heard, prompt},
};

/// Plays a row, and returns what is wrong with it.
async fn wrong(row: Row) -> Option<String> {
    let Row { seen, plan, choices, act, outcome, calls, text } = row;
    let world = plan.world();
    let run = match play(&world, choices, act).await {
        Ok(run) => run,
        Err(error) => return Some(format!("{seen}: {error}")),
    };
    let messages = world.messages(run).await;
    let [first, .., end] = &messages[..] else { return Some(format!("{seen}: {messages:?}")) };
    let of = |name: &str| messages.iter().filter(|message| message["event"] == name).count();
    let is_framed = first["event"] == "tricast.llm.start" && end["event"] == "tricast.llm.end";
    let mut ended = match end["status"].as_str().unwrap_or_default() {
        "error" => end["error"]["type"].as_str().unwrap_or_default().to_owned(),
        "cancelled" => format!("cancelled {}", end["by"].as_str().unwrap_or_default()),
        status => status.to_owned(),
    };
    if outcome == "complete 20" && end["ms"]["all"].as_u64() >= Some(20_000) {
        ended += " 20";
    }
    let told = end["choices"][0]["message"]["content"].as_str().unwrap_or_default();
    let said = (ended.as_str(), world.calls(), told);
    let mut problems = Vec::new();
    if said != (outcome, calls, text) {
        problems.push(format!("it is {said:?} and not {:?}", (outcome, calls, text)));
    }
    if !is_framed || of("tricast.llm.start") != 1 || of("tricast.llm.end") != 1 {
        problems.push("not one start and one end".to_owned());
    }
    let offsets = std::panic::catch_unwind(|| heard(&messages));
    match offsets {
        Ok(heard) if heard == told || outcome == "key" || ended.starts_with("cancelled") => {}
        Ok(heard) => problems.push(format!("{heard:?} was heard")),
        Err(_) => problems.push("an offset is wrong".to_owned()),
    }
    if world.open() > 0 {
        problems.push("a connection is open".to_owned());
    }
    let all = Value::from(messages.clone()).to_string();
    if all.contains("canary-0123456789") || all.contains("org-7") {
        problems.push("a secret was told".to_owned());
    }
    (!problems.is_empty()).then(|| format!("{seen}: {}: {end}", problems.join(", ")))
}

/// Makes the prompts of a row, and returns the run that it is about, once it has ended.
async fn play(world: &World, choices: u32, act: Act) -> Result<crate::RunId, String> {
    let body = json!({"messages": [{"role": "user", "content": "hi"}], "n": choices});
    let request = ChatRequest::parse(body.to_string().as_bytes()).map_err(|it| it.to_string())?;
    let plain = || Prompt { request: request.clone(), ..prompt() };
    let queued = || Prompt { busy: Busy::Queue, ..plain() };
    let start = |prompt: Prompt| async {
        world.runs.start(prompt).await.map(|started| started.run).map_err(|it| it.to_string())
    };
    let run = match act {
        Act::Wait => start(plain()).await?,
        Act::CancelAt(millis) => {
            let run = start(plain()).await?;
            sleep(Duration::from_millis(millis)).await;
            let cancelled = world.runs.cancel(&run, By::User).await;
            if !matches!(cancelled, Some(crate::Cancelled::Ended(_))) {
                return Err(format!("a cancel is answered with {cancelled:?}"));
            }
            run
        }
        Act::CancelQueued => {
            let first = start(plain()).await?;
            let run = start(queued()).await?;
            world.runs.cancel(&run, By::User).await;
            if world.runs.report(&run).is_none_or(|report| report.end.is_none()) {
                return Err("it waits on".to_owned());
            }
            world.runs.wait_for_end(&first).await;
            run
        }
        Act::Queue => {
            start(plain()).await?;
            let run = start(queued()).await?;
            sleep(Duration::from_secs(3)).await;
            if world.calls() != 1 {
                return Err("it does not wait".to_owned());
            }
            run
        }
        Act::Orphan { is_backend, has_listener } => {
            let starter = Starter { is_backend, ..prompt().starter };
            let orphan = Duration::from_secs(3);
            let run = start(Prompt { starter, orphan, ..plain() }).await?;
            let reader = tricast_core::Identity::unverified(None, None);
            let join = Join::new([channel()], reader, Wire::Sse);
            let joined = if has_listener { Some(world.hub.join(join).await) } else { None };
            world.runs.wait_for_end(&run).await;
            drop(joined);
            run
        }
    };
    world.runs.wait_for_end(&run).await.ok_or("the run is gone")?;
    Ok(run)
}

/// Returns what is wrong with the rows, each of which has a clock of its own.
fn all_wrong() -> Vec<String> {
    let mut problems = Vec::new();
    for row in table() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true);
        problems.extend(runtime.build().expect("a runtime").block_on(wrong(row)));
    }
    problems
}

#[test]
fn each_answer_ends_as_what_was_seen_of_it_says() {
    let problems = all_wrong();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn each_planted_bug_is_found() {
    for bug in Planted::TABLE {
        Planted::plant(Some(*bug));
        let problems = all_wrong();
        Planted::plant(None);
        println!("{bug:?}: {}", problems.join("\n  "));
        assert!(!problems.is_empty(), "{bug:?} is not found");
    }
}
