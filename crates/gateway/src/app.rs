//! What every handler needs: the hub, the settings, and the sign that the gateway goes down.

use std::{num::NonZeroU32, sync::Arc};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tricast_admission::Gatekeeper;
use tricast_core::{Hub, Pace, Portion, PresenceRules};
use tricast_ws::Rules;

use crate::{
    budget::Budget,
    events::Queue,
    settings::{Presence, Settings},
};

/// The gateway's state, shared by all requests.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    /// What is told to the user's own service.
    pub(crate) events: Option<Arc<Queue>>,
    pub(crate) settings: Settings,
    pub(crate) pace: Arc<Pace>,
    pub(crate) ws_rules: Arc<Rules>,
    pub(crate) bodies: Budget,
    /// Held by whoever looks through all channels.
    pub(crate) listing: Semaphore,
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
            warning: settings.tokens.warning,
            portion: Portion::default(),
            channels: settings.limits.channels_per_connection,
        })
    }

    pub(crate) fn ws_rules_of(settings: &Settings) -> Arc<Rules> {
        let rate = NonZeroU32::new(settings.ws.rate);
        Arc::new(Rules { message_bytes: settings.limits.message_bytes(), rate })
    }

    pub(crate) fn presence_rules_of(settings: &Settings) -> PresenceRules {
        let Presence { grace, interval, immediate } = settings.presence;
        PresenceRules { grace, interval, immediate }
    }

    /// The most that one message's data may be.
    pub(crate) fn message_bytes(&self) -> usize {
        self.settings.limits.message_bytes()
    }
}
