//! What the settings say of upstreams and runs.

use std::time::Duration;

use tricast_core::Secret;

/// The URL of the upstream inside the process.
pub const DEMO_URL: &str = "demo:";

/// The only model of the upstream inside the process.
pub const DEMO_MODEL: &str = "demo-canned";

/// An upstream: a service that speaks OpenAI's chat completions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Its name in the settings; also the prefix of its models, as in `main/gpt-x`.
    pub name: String,
    /// The URL above `/chat/completions`; [`DEMO_URL`] is inside the process.
    pub url: String,
    /// The key that is sent as a bearer token; empty for none.
    pub key: Secret,
    /// Its models. With none, any name is passed on.
    pub models: Vec<Model>,
    /// More fields of the request's head. Their values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// Time to connect.
    pub connect: Duration,
    /// Time from the request until the first content.
    pub first_token: Duration,
    /// Time without a sign of life, once there was content.
    pub idle: Duration,
    /// Time for a whole run, its waits and retries included.
    pub total: Duration,
    /// Calls after the first one, while there is no content.
    pub retries: u32,
    /// Calls under way at once.
    pub at_once: usize,
    /// Names of the upstreams that are called in its place when it fails.
    pub fallback: Vec<String>,
    /// Failures in a row after which it is not called for a while; 0 means never.
    pub open_after: u32,
    /// How long it is not called then.
    pub open_for: Duration,
}

/// A model of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name by which clients ask for it.
    pub name: String,
    /// The name by which the upstream knows it.
    pub model: String,
}

/// The rules of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// The shortest time between two deltas of a run; zero publishes what each read brings.
    pub rollup: Duration,
    /// The most bytes of an answer, as JSON.
    pub answer_bytes: usize,
    /// The most bytes of one event of an upstream.
    pub event_bytes: usize,
    /// The most bytes of a prompt, as JSON.
    pub prompt_bytes: usize,
    /// How long [`Runs::head`](crate::Runs::head) waits for the upstream's status.
    pub head_wait: Duration,
    /// Ended runs of one channel that can be asked for.
    pub keep: usize,
    /// Open runs of one user, or of one address without a verified user; 0 is no limit.
    pub runs_per_user: usize,
}

/// What becomes of a prompt in a channel with an open run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Busy {
    /// It is refused.
    #[default]
    Refuse,
    /// It waits for its turn.
    Queue,
    /// The open runs are cancelled.
    Replace,
    /// It runs beside them.
    Parallel,
}

/// What becomes of a run when nobody waits for the responses that stream it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leave {
    /// It goes on.
    #[default]
    Detach,
    /// It is cancelled.
    Cancel,
}

/// The interface by which a prompt has come; a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// `POST /llm/…`.
    Native,
    /// The command of a WebSocket.
    WebSocket,
    /// OpenAI's chat completions.
    OpenAi,
    /// The page's own requests, or those of a UI library.
    Ui,
}

impl UpstreamConfig {
    /// Whether this is the upstream inside the process.
    pub fn is_demo(&self) -> bool {
        self.url == DEMO_URL
    }
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            name: "main".to_owned(),
            url: String::new(),
            key: Secret::default(),
            models: Vec::new(),
            headers: Vec::new(),
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(30 * 60),
            retries: 2,
            at_once: 50,
            fallback: Vec::new(),
            open_after: 5,
            open_for: Duration::from_secs(10),
        }
    }
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            rollup: Duration::ZERO,
            answer_bytes: 256 << 10,
            event_bytes: 1 << 20,
            prompt_bytes: 1 << 20,
            head_wait: Duration::from_secs(5),
            keep: 20,
            runs_per_user: 3,
        }
    }
}

impl Face {
    /// All of them.
    pub const ALL: [Face; 4] = [Face::Native, Face::WebSocket, Face::OpenAi, Face::Ui];

    /// Returns the name, as metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Face::Native => "native",
            Face::WebSocket => "ws",
            Face::OpenAi => "openai",
            Face::Ui => "ui",
        }
    }
}
