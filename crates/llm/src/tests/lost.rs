use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tricast_core::{
    ChannelName, Data, Draft, Epoch, EventName, Hub, Limits, Log, MemoryEngine, Meters, ReadLimit,
    Start,
};

use super::*;
use crate::{Answers, RelayConfig, RunId};

/// A hub whose log has these messages of runs, as a log that was recovered has.
async fn recovered(messages: &[(&str, Value)]) -> (Arc<Hub>, Runs) {
    let log = Arc::new(Log::new(Epoch::begin(0), Limits::default()));
    log.set_folds(Arc::new(Answers));
    let engine = MemoryEngine::new(log.clone(), Duration::from_secs(60), 1000);
    let hub = Hub::new(log, Arc::new(engine), Meters::new(), 10);
    for (event, data) in messages {
        let draft = Draft::new(channel(), Data::Json(data.to_string()));
        let draft = draft.with_event(EventName::internal(event));
        hub.publish(draft).await.expect("is published");
    }
    let runs = Runs::new(hub.clone(), RelayConfig::default(), Vec::new()).expect("runs");
    (hub, runs)
}

fn channel() -> ChannelName {
    "chat".parse().expect("a channel")
}

async fn ends(hub: &Hub) -> Vec<Value> {
    let limit = ReadLimit { messages: 1000, bytes: usize::MAX };
    let history = hub.history(&channel(), Start::Earliest, limit, None).await.expect("reads");
    let ends = history.messages.iter().filter(|message| message.event() == "tricast.llm.end");
    ends.map(|end| serde_json::from_slice(end.draft.data.as_bytes()).expect("JSON")).collect()
}

#[tokio::test]
async fn a_run_without_a_driver_ends_as_lost_and_keeps_its_text() {
    let (lost, done) = (RunId::issue().to_string(), RunId::issue().to_string());
    let start = |run: &str| json!({"run": run, "model": "m", "time": 5, "user": "alice"});
    let delta = |run: &str, at: usize, text: &str| {
        let choice = json!({"index": 0, "at": at, "delta": {"content": text}});
        json!({"run": run, "choices": [choice]})
    };
    let (hub, runs) = recovered(&[
        ("llm.start", start(&done)),
        ("llm.start", start(&lost)),
        ("llm.delta", delta(&lost, 0, "Half an")),
        ("llm.end", json!({"run": done, "status": "complete", "choices": []})),
        ("llm.delta", delta(&lost, 7, " answer")),
    ])
    .await;
    runs.end_lost().await;
    let ended = ends(&hub).await;
    assert_eq!(ended.len(), 2, "{ended:?}");
    assert_eq!((&ended[1]["run"], &ended[1]["status"]), (&json!(lost), &json!("error")));
    assert_eq!(ended[1]["error"]["type"], "lost");
    assert_eq!(ended[1]["error"]["retryable"], true);
    assert_eq!(ended[1]["choices"][0]["message"]["content"], "Half an answer");
    // The next start finds nothing that is open.
    runs.end_lost().await;
    assert_eq!(ends(&hub).await.len(), 2);
}
