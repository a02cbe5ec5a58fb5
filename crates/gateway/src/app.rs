//! What every handler needs: the hub, the settings, and the sign that the gateway goes down.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tricast_core::{Hub, Pace, Portion};

use crate::settings::Settings;

/// The gateway's state, shared by all requests.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) settings: Settings,
    pub(crate) pace: Arc<Pace>,
    /// The gateway is about to go down: who sends traffic here should stop.
    pub(crate) leaving: CancellationToken,
    /// The gateway goes down: whoever waits for a client should stop waiting.
    pub(crate) draining: CancellationToken,
    /// Connections and WebSockets under way.
    pub(crate) tasks: TaskTracker,
}

pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn pace_of(settings: &Settings) -> Arc<Pace> {
        Arc::new(Pace {
            heartbeat: settings.stream.heartbeat,
            retry: settings.stream.retry,
            online: settings.stream.online_interval,
            slow_reader: settings.stream.slow_reader,
            portion: Portion::default(),
        })
    }

    /// The most that one message's data may be.
    pub(crate) fn message_bytes(&self) -> usize {
        usize::try_from(self.settings.limits.message_bytes.as_u64()).unwrap_or(usize::MAX)
    }
}
