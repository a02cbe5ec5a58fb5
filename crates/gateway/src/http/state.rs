//! The state that all handlers share: the hub, the settings, and the signals of a shutdown.

use std::{num::NonZeroU32, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tricast_admission::Gatekeeper;
use tricast_core::{Hub, PresenceConfig, SessionConfig};
use tricast_llm::Runs;
use tricast_ws::InboundLimits;

use crate::{
    http::{budget::BodyBudget, directions::Places},
    relay::Relay,
    settings::{Presence, Settings},
    webhook::EventQueue,
};

/// The settings and the objects that are built from them. A hot reload replaces all of it at once;
/// an open stream keeps the one under which it was admitted.
#[derive(Debug)]
pub(crate) struct LiveConfig {
    pub(crate) settings: Arc<Settings>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) session_config: Arc<SessionConfig>,
    pub(crate) ws_limits: Arc<InboundLimits>,
    pub(crate) relay: Arc<Relay>,
}

/// The gateway's state, shared by all requests.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    /// Events for the webhook, if the settings name one.
    pub(crate) event_queue: Option<Arc<EventQueue>>,
    /// Replaced by a hot reload.
    pub(crate) live: ArcSwap<LiveConfig>,
    pub(crate) body_budget: BodyBudget,
    /// The dashboard is served.
    pub(crate) serves_dashboard: bool,
    /// Where the listeners are.
    pub(crate) places: Places,
    /// Permit to scan all channels; there is one.
    pub(crate) channel_listing: Semaphore,
    /// The gateway is about to shut down: load balancers should send no more traffic.
    pub(crate) not_ready: CancellationToken,
    /// The gateway drains: nothing should wait for a client any more.
    pub(crate) draining: CancellationToken,
    /// Open connections and WebSockets.
    pub(crate) tasks: TaskTracker,
}

pub(crate) type SharedApp = Arc<App>;

impl LiveConfig {
    pub(crate) fn new(settings: Settings, gatekeeper: Arc<Gatekeeper>, runs: Runs) -> Self {
        let session_config = SessionConfig::default()
            .with_heartbeat(settings.stream.heartbeat)
            .with_retry(settings.stream.retry)
            .with_online_interval(settings.stream.online_interval)
            .with_expiry_warning(settings.tokens.warning)
            .with_max_channels(settings.limits.channels_per_connection);
        let rate = NonZeroU32::new(settings.ws.rate);
        let relay = Arc::new(Relay::new(runs, &settings));
        let ws_limits = InboundLimits {
            message_bytes: settings.limits.message_bytes(),
            rate,
            prompts: Some(relay.clone()),
        };
        let (session_config, ws_limits) = (Arc::new(session_config), Arc::new(ws_limits));
        Self { settings: Arc::new(settings), gatekeeper, session_config, ws_limits, relay }
    }
}

impl App {
    pub(crate) fn new(
        hub: Arc<Hub>,
        live: LiveConfig,
        event_queue: Option<Arc<EventQueue>>,
        serves_dashboard: bool,
        places: Places,
    ) -> Self {
        let body_memory = live.settings.limits.body_memory.as_u64() as usize;
        Self {
            hub,
            event_queue,
            live: ArcSwap::from_pointee(live),
            body_budget: BodyBudget::new(body_memory),
            serves_dashboard,
            places,
            channel_listing: Semaphore::new(1),
            not_ready: CancellationToken::new(),
            draining: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Returns the settings in effect now.
    pub(crate) fn live(&self) -> Arc<LiveConfig> {
        self.live.load_full()
    }

    pub(crate) fn set_live(&self, live: LiveConfig) {
        self.live.store(Arc::new(live));
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.live.load().settings.clone()
    }

    pub(crate) fn gatekeeper(&self) -> Arc<Gatekeeper> {
        self.live.load().gatekeeper.clone()
    }

    pub(crate) fn presence_rules_of(settings: &Settings) -> PresenceConfig {
        let Presence { grace, interval, immediate } = settings.presence;
        // The last life sends its goodbyes over half of its grace, and a client comes back after up
        // to 1.5 times the delay that its goodbye names.
        let return_time = settings.shutdown.grace / 2 + settings.stream.retry * 3 / 2;
        PresenceConfig::default()
            .with_grace(grace)
            .with_restored_grace(grace + return_time)
            .with_interval(interval)
            .with_immediate(immediate)
    }

    /// Returns the limit of one message's data.
    pub(crate) fn message_bytes(&self) -> usize {
        self.live.load().settings.limits.message_bytes()
    }
}
