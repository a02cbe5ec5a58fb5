//! The upstream inside the process: a canned answer at the pace of a person who types fast, as the
//! bytes that a service would send. So the page shows an answer on a machine without any key.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{ChatRequest, DEMO_MODEL};

/// The time between two words.
const PACE: Duration = Duration::from_millis(45);

/// The time before the first word.
const THINKING: Duration = Duration::from_millis(400);

const ANSWER: &str = "This answer comes from the gateway itself: no model was asked, and no key \
    was needed. Every word is a message in the log of this channel. So each device that listens \
    hears it at the same time, over server-sent events, a chunked body or a WebSocket. 👋\n\n\
    Reload this page now: the answer goes on where it was, because the run belongs to the gateway \
    and not to your connection. Open a second tab, and it catches up with one message. Stop it, \
    and it stops on all of them.\n\n\
    To get answers of a model, add an upstream to the settings:\n\n\
    ```toml\n[[llm]]\nname = \"main\"\nurl = \"https://llm.example/v1\"\n\
    models = [\"gpt-x\"]\n```\n";

/// Returns the body of a response.
pub(crate) fn body(request: &ChatRequest) -> impl Stream<Item = Result<Bytes, String>> + use<> {
    let choices = 0..request.choices();
    let role = |index| chunk(json!([choice(index, json!({"role": "assistant", "content": ""}))]));
    let mut events: Vec<(Duration, Bytes)> =
        choices.clone().map(|index| (THINKING / request.choices(), role(index))).collect();
    let words: Vec<&str> = ANSWER.split_inclusive([' ', '\n']).collect();
    for word in &words {
        let all = choices.clone().map(|index| choice(index, json!({"content": word})));
        events.push((PACE, chunk(all.collect())));
    }
    let finished =
        choices.map(|index| json!({"index": index, "delta": {}, "finish_reason": "stop"}));
    events.push((Duration::ZERO, chunk(finished.collect())));
    let (prompt, completion) = (request.estimated_tokens(), words.len() as u64);
    let usage = json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    });
    events.push((Duration::ZERO, event(&json!({"choices": [], "usage": usage}).to_string())));
    events.push((Duration::ZERO, event("[DONE]")));
    stream::iter(events).then(|(pause, event)| async move {
        tokio::time::sleep(pause).await;
        Ok(event)
    })
}

fn choice(index: u32, delta: Value) -> Value {
    json!({"index": index, "delta": delta, "finish_reason": null})
}

fn chunk(choices: Value) -> Bytes {
    let object = "chat.completion.chunk";
    let chunk = json!({"id": "demo", "object": object, "model": DEMO_MODEL, "choices": choices});
    event(&chunk.to_string())
}

fn event(data: &str) -> Bytes {
    format!("data: {data}\n\n").into()
}
