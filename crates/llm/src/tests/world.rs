//! A gateway's runs with an upstream that plays a script, on tokio's paused clock.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tricast_core::{
    ChannelName, ChannelRules, Data, Engine, Epoch, Hub, Identity, Limits, Log, MemoryEngine,
    Meters, Namespaces, ReadLimit, Start, Trust,
};

use crate::{
    Busy, ChatRequest, Face, Leave, Model, Prompt, RelayConfig, RunId, Runs, Started, Starter,
    Upstream, UpstreamConfig, Upstreams,
    upstream_client::{Body, CallError, Reply},
};

/// One thing that happens in a response.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Bytes(String),
    Pause(Duration),
    /// The connection breaks.
    Cut,
    /// Nothing more comes, and nothing ends.
    Hang,
}

/// What happens to one call.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A stream.
    Stream(Vec<Step>),
    /// A document.
    Whole(String),
    /// A status.
    Status(u16, Option<Duration>, &'static str),
    /// No connection.
    Unreachable,
    /// A connection that breaks before the head.
    CutBefore,
    /// Neither a head nor an error.
    NoHead,
}

pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) runs: Runs,
    calls: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

/// What a world is made of.
pub(crate) struct Plan {
    pub(crate) relay: RelayConfig,
    pub(crate) upstream: UpstreamConfig,
    pub(crate) spare: Option<Vec<Call>>,
    pub(crate) calls: Vec<Call>,
}

impl Plan {
    pub(crate) fn new(calls: Vec<Call>) -> Self {
        let model = Model { name: "m".to_owned(), model: "m-7b".to_owned() };
        let upstream = UpstreamConfig {
            key: "canary-0123456789".to_owned().into(),
            models: vec![model],
            ..UpstreamConfig::default()
        };
        let relay = RelayConfig { runs_per_user: 0, ..RelayConfig::default() };
        Self { relay, upstream, spare: None, calls }
    }

    pub(crate) fn world(self) -> World {
        self.world_with(|log| Arc::new(MemoryEngine::new(log, Duration::from_secs(60), 1000)))
    }

    pub(crate) fn world_with(self, engine: impl FnOnce(Arc<Log>) -> Arc<dyn Engine>) -> World {
        let rules = ChannelRules::default();
        let rules = Namespaces::new(Vec::new(), Arc::new(rules));
        let log = Arc::new(Log::new(Epoch::begin(0), Limits::default().with_rules(rules)));
        let hub = Hub::new(log.clone(), engine(log), Meters::new(), 1000);
        let (calls, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut upstreams = Vec::new();
        let Self { relay, mut upstream, spare, calls: script } = self;
        if let Some(script) = spare {
            upstream.fallback = vec!["spare".to_owned()];
            let name = "spare".to_owned();
            let spare = UpstreamConfig { name, fallback: Vec::new(), ..upstream.clone() };
            upstreams.push(scripted(spare, script, &calls, &open));
        }
        upstreams.insert(0, scripted(upstream, script, &calls, &open));
        let runs = Runs::with_upstreams(hub.clone(), relay, Upstreams::of(upstreams));
        World { hub, runs, calls, open }
    }
}

fn scripted(
    config: UpstreamConfig,
    script: Vec<Call>,
    calls: &Arc<AtomicUsize>,
    open: &Arc<AtomicUsize>,
) -> Arc<Upstream> {
    let script = Mutex::new(VecDeque::from(script));
    let (calls, open) = (calls.clone(), open.clone());
    let next = move || {
        calls.fetch_add(1, SeqCst);
        let call = script.lock().pop_front().expect("no further call");
        let connection = Connection::open(&open);
        let future: crate::upstream::ScriptedCall = Box::pin(answer(call, connection));
        future
    };
    Arc::new(Upstream::scripted(config, Box::new(next)))
}

/// The connection of a call; it is closed when everything that reads from it is dropped.
struct Connection(Arc<AtomicUsize>);

impl Connection {
    fn open(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

async fn answer(call: Call, connection: Connection) -> Result<Reply, CallError> {
    let (is_whole, steps) = match call {
        Call::Stream(steps) => (false, steps),
        Call::Whole(document) => (true, vec![Step::Bytes(document)]),
        Call::Status(status, retry_after, body) => {
            let says = crate::UpstreamSays::read_body(body.as_bytes());
            return Err(CallError::Status { status, retry_after, says });
        }
        Call::Unreachable => return Err(CallError::Unreachable("refused".to_owned())),
        Call::CutBefore => return Err(CallError::Cut("reset".to_owned())),
        Call::NoHead => std::future::pending().await,
    };
    let steps = stream::iter(steps).then(move |step| {
        let _connection = &connection;
        async move {
            match step {
                Step::Bytes(text) => Some(Ok(Bytes::from(text))),
                Step::Cut => Some(Err("reset".to_owned())),
                Step::Hang => std::future::pending().await,
                Step::Pause(time) => {
                    tokio::time::sleep(time).await;
                    None
                }
            }
        }
    });
    let body = steps.filter_map(std::future::ready);
    Ok(Reply { is_whole, body: Body::Piped(Box::pin(body)) })
}

impl World {
    pub(crate) fn new(calls: Vec<Call>) -> Self {
        Plan::new(calls).world()
    }

    /// Returns how many calls the upstreams have got.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// Returns how many connections to them are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    pub(crate) async fn start(&self) -> Started {
        self.runs.start(prompt()).await.expect("a run")
    }

    /// Makes a prompt, and returns the data of the messages of its run.
    pub(crate) async fn run(&self) -> Vec<Value> {
        let started = self.start().await;
        self.runs.wait_for_end(&started.run).await.expect("the run");
        self.messages(started.run).await
    }

    /// Returns the data of the messages of a run, each with its event's name.
    pub(crate) async fn messages(&self, run: RunId) -> Vec<Value> {
        let limit = ReadLimit { messages: 10_000, bytes: usize::MAX };
        let history = self.hub.history(&channel(), Start::Earliest, limit, None).await;
        let messages = history.expect("the history").messages;
        let data = messages.iter().map(|message| {
            let Data::Json(json) = &message.draft.data else { panic!("{message:?}") };
            let mut data: Value = serde_json::from_str(json).expect("JSON");
            data["event"] = message.event().into();
            data
        });
        data.filter(|data| data["run"] == run.to_string()).collect()
    }
}

pub(crate) fn channel() -> ChannelName {
    "chat".parse().expect("a channel")
}

pub(crate) fn prompt() -> Prompt {
    let user = Some("alice".parse().expect("a user"));
    let identity = Identity { trust: Trust::Verified, ..Identity::unverified(None, user) };
    Prompt {
        channel: channel(),
        request: ChatRequest::of_text("hi"),
        starter: Starter { identity, is_backend: false },
        busy: Busy::Refuse,
        leave: Leave::Detach,
        orphan: Duration::ZERO,
        idempotency: None,
        face: Face::Native,
    }
}

pub(crate) fn text(text: &str) -> Step {
    delta(0, &json!({ "content": text }), None)
}

pub(crate) fn delta(index: u32, delta: &Value, finish: Option<&str>) -> Step {
    event(&json!({"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}))
}

pub(crate) fn comment_step() -> Step {
    Step::Bytes(": still here\n\n".to_owned())
}

pub(crate) fn finish() -> Step {
    delta(0, &json!({}), Some("stop"))
}

pub(crate) fn event(data: &Value) -> Step {
    Step::Bytes(format!("data: {data}\n\n"))
}

pub(crate) fn done() -> Step {
    Step::Bytes("data: [DONE]\n\n".to_owned())
}

/// Returns the text of the first choice in all deltas, and checks that each says where it belongs.
pub(crate) fn heard(messages: &[Value]) -> String {
    let mut heard = String::new();
    let deltas = messages.iter().filter(|one| one["event"] == "tricast.llm.delta");
    let choices = deltas.flat_map(|message| message["choices"].as_array().expect("choices"));
    for choice in choices.filter(|choice| choice["index"] == 0) {
        assert_eq!(choice["at"], heard.len(), "{choice}");
        heard += choice["delta"]["content"].as_str().unwrap_or_default();
    }
    heard
}
