//! A run whose log is slow, full, or unsure.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tricast_core::{
    Draft, Engine, EngineFuture, Health, Lease, Locate, Located, MemoryEngine, ReadRequest,
    Settlement, Ticket,
};

use super::*;
use crate::{
    PromptError, Status,
    world::{Call, Plan, Step, World, channel, done, finish, heard, prompt, text},
};

/// What an engine does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    /// It has no room.
    Full,
    /// It never says what became of the message.
    Silent,
    /// It takes the message, and does not know that.
    Unsure,
    /// It takes the message, and says so later.
    Late,
}

/// An engine with moods, by the event of the message.
struct Moody<F> {
    inner: MemoryEngine,
    mood: F,
    appends: AtomicUsize,
    unsettled: Mutex<Vec<Settlement>>,
}

impl<F: Fn(&str, usize) -> Mood + Send + Sync + 'static> Engine for Moody<F> {
    fn append(&self, draft: Draft) -> Ticket {
        let event = draft.event.as_ref().map_or("", EventName::as_str).to_owned();
        let append = self.appends.fetch_add(1, SeqCst);
        let unsure = || Err(EngineError::Unknown("it is unsure".to_owned()));
        match (self.mood)(&event, append) {
            Mood::Takes => self.inner.append(draft),
            Mood::Full => Ticket::settled(Err(EngineError::Full)),
            Mood::Unsure => {
                let _ = self.inner.append(draft).now_or_never();
                Ticket::settled(unsure())
            }
            Mood::Late => {
                let receipt = self.inner.append(draft).now_or_never().expect("it is settled");
                let (settlement, ticket) = Ticket::open();
                tokio::spawn(async move {
                    sleep(Duration::from_secs(5)).await;
                    settlement.settle(receipt);
                });
                ticket
            }
            Mood::Silent => {
                let (settlement, ticket) = Ticket::open();
                self.unsettled.lock().push(settlement);
                ticket
            }
        }
    }

    fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        self.inner.read(request)
    }

    fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        self.inner.locate(questions)
    }

    fn erase(&self, channel: ChannelName) -> EngineFuture<MessageId> {
        self.inner.erase(channel)
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn close(&self) -> EngineFuture<()> {
        self.inner.close()
    }
}

fn world(mood: impl Fn(&str, usize) -> Mood + Send + Sync + 'static) -> World {
    let steps =
        vec![text("Hel"), Step::Pause(Duration::from_secs(1)), text("lo"), finish(), done()];
    Plan::new(vec![Call::Stream(steps); 2]).world_with(|log| {
        let inner = MemoryEngine::new(log, Duration::from_secs(60), 1000);
        let (appends, unsettled) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Moody { inner, mood, appends, unsettled })
    })
}

fn names(messages: &[Value]) -> Vec<&'static str> {
    let name = |one: &Value| match one["event"].as_str() {
        Some("tricast.llm.start") => "start",
        Some("tricast.llm.delta") => "delta",
        Some("tricast.llm.end") => "end",
        other => panic!("{other:?}"),
    };
    messages.iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_full_for_a_while_delays_a_run_and_loses_nothing() {
    let began = Instant::now();
    let world = world(move |event, _| match began.elapsed().as_secs() {
        0..10 if event != "tricast.llm.start" => Mood::Full,
        _ => Mood::Takes,
    });
    let messages = world.run().await;
    assert_eq!(names(&messages), ["start", "delta", "delta", "end"]);
    assert_eq!((heard(&messages), &messages[3]["status"]), ("Hello".into(), &json!("complete")));
    assert!(began.elapsed() >= Duration::from_secs(10));
}

/// The upstream is not read while a message waits, and not for ever.
#[tokio::test(start_paused = true)]
async fn a_log_that_takes_no_delta_ends_the_run() {
    for mood in [Mood::Full, Mood::Silent, Mood::Unsure] {
        let world = world(move |event, _| match event {
            "tricast.llm.delta" => mood,
            _ => Mood::Takes,
        });
        let began = Instant::now();
        let messages = world.run().await;
        let end = messages.last().expect("an end");
        assert_eq!((&end["status"], &end["error"]["type"]), (&json!("error"), &json!("log")));
        assert_eq!(end["choices"][0]["message"]["content"], "Hel", "{mood:?}");
        // A message that may be there is not published again: it would be there twice.
        let deltas = names(&messages).iter().filter(|name| **name == "delta").count();
        assert_eq!(deltas, usize::from(mood == Mood::Unsure), "{mood:?}");
        let waited = if mood == Mood::Unsure { Duration::ZERO } else { LOG_WAIT };
        assert!(began.elapsed() >= waited && began.elapsed() < LOG_WAIT * 3 / 2, "{mood:?}");
        assert_eq!(world.open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_prompt_does_not_wait_for_room_and_one_that_nobody_is_sure_of_has_an_end() {
    let full = world(|_, _| Mood::Full);
    let began = Instant::now();
    let refused = full.runs.start(prompt()).await;
    assert!(matches!(refused, Err(PromptError::NotPublished(_))));
    assert_eq!((began.elapsed(), full.calls()), (Duration::ZERO, 0));
    assert_eq!(full.runs.open_count(), 0);
    // Asked again, the log knows that the message is there.
    let unsure = world(|_, append| if append == 0 { Mood::Unsure } else { Mood::Takes });
    let messages = unsure.run().await;
    assert_eq!(names(&messages), ["start", "delta", "delta", "end"]);
    // It says nothing more of the first message, and takes later ones.
    let silent = world(|event, _| match event {
        "tricast.llm.start" => Mood::Silent,
        _ => Mood::Takes,
    });
    let prompted = tokio::spawn({
        let runs = silent.runs.clone();
        async move { runs.start(prompt()).await }
    });
    tokio::task::yield_now().await;
    let run = silent.runs.open_in(&channel())[0].run;
    assert!(matches!(prompted.await.expect("no panic"), Err(PromptError::NotPublished(_))));
    let messages = silent.messages(run).await;
    assert_eq!((names(&messages), silent.calls()), (vec!["end"], 0));
    assert_eq!(messages[0]["error"]["type"], "log");
    assert_eq!(silent.runs.open_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_in_the_log_once_however_unsure_the_log_is() {
    let world = world(|event, append| match event {
        "tricast.llm.end" if append < 6 => Mood::Unsure,
        _ => Mood::Takes,
    });
    let messages = world.run().await;
    assert_eq!(names(&messages), ["start", "delta", "delta", "end"]);
    assert_eq!(messages[3]["status"], "complete");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_the_log_does_not_take_is_still_an_end_for_those_who_ask() {
    let world = world(|event, _| match event {
        "tricast.llm.end" => Mood::Full,
        _ => Mood::Takes,
    });
    let started = world.start().await;
    let end = world.runs.wait_for_end(&started.run).await.expect("the run");
    assert_eq!(
        (end.status, end.error.as_ref().map(|it| it.kind.name())),
        (Status::Error, Some("log"))
    );
    assert!(end.choices.get().contains("Hello"));
    assert_eq!(world.runs.open_count(), 0);
}

/// A reader sees the end before the driver knows that it is there.
#[tokio::test(start_paused = true)]
async fn a_prompt_that_follows_the_end_finds_the_channel_free() {
    let world = world(|event, _| match event {
        "tricast.llm.end" => Mood::Late,
        _ => Mood::Takes,
    });
    let started = world.start().await;
    while !names(&world.messages(started.run).await).contains(&"end") {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(world.runs.report(&started.run).expect("the run").end.is_none());
    let next = world.runs.start(prompt()).await;
    assert!(next.is_ok(), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delta_that_is_repeated_or_awaited_for_ever_would_be_found() {
    Planted::plant(Some(Planted::UnknownRepeated));
    let unsure = world(|event, append| match event {
        "tricast.llm.delta" if append < 3 => Mood::Unsure,
        _ => Mood::Takes,
    });
    let messages = unsure.run().await;
    assert!(names(&messages).len() > 4, "twice in the log");
    Planted::plant(Some(Planted::LogAwaited));
    let silent = world(|event, _| match event {
        "tricast.llm.delta" => Mood::Silent,
        _ => Mood::Takes,
    });
    let started = silent.start().await;
    sleep(LOG_WAIT * 10).await;
    Planted::plant(None);
    assert!(silent.runs.report(&started.run).expect("the run").end.is_none(), "it waits on");
}

#[tokio::test(start_paused = true)]
async fn under_load_a_run_goes_on_and_slows_down() {
    let world = world(|_, _| Mood::Takes);
    let started = world.start().await;
    sleep(Duration::from_millis(10)).await;
    world.hub.set_overloaded(true);
    sleep(Duration::from_secs(20)).await;
    // What was awaited by then has been read, and nothing since.
    assert_eq!(heard(&world.messages(started.run).await), "Hello");
    assert!(world.runs.report(&started.run).expect("the run").end.is_none());
    world.hub.set_overloaded(false);
    world.runs.wait_for_end(&started.run).await.expect("the run");
    assert_eq!(heard(&world.messages(started.run).await), "Hello");
}
