//! What every handler needs: the hub, the settings, and who counts refusals.

use std::sync::Arc;

use metrics::{Counter, counter, describe_counter};
use tokio_util::task::TaskTracker;
use tricast_core::{Hub, Kind, Pace, Portion};

use crate::settings::Settings;

/// The gateway's state, shared by all requests.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) settings: Settings,
    pub(crate) pace: Arc<Pace>,
    pub(crate) refusals: Refusals,
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

/// Refusals by kind.
pub(crate) struct Refusals(Vec<Counter>);

impl Refusals {
    pub(crate) fn new() -> Self {
        describe_counter!("tricast_refusals_total", "Requests refused, by the kind of problem.");
        let of = |kind: &Kind| counter!("tricast_refusals_total", "reason" => kind.name());
        Self(Kind::ALL.iter().map(of).collect())
    }

    pub(crate) fn count(&self, kind: Kind) {
        self.0[kind as usize].increment(1);
    }
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refusals")
    }
}
