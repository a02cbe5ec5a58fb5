//! Builds the components of a gateway from the settings.

use std::sync::Arc;

use anyhow::Context as _;
use tricast_admission::{BackendClient, Gatekeeper, Jwks};
use tricast_core::{Engine, Epoch, Hub, Limits, Log, MemoryEngine, Meters, unix_millis};
use tricast_delivery::{SendMode, Shards};
use tricast_disk::{DiskEngine, DiskMeters};
use tricast_llm::{Answers, Runs, UpstreamConfig};
use tricast_net::{Certificate, SocketMeters};

use crate::{
    admin::metrics::MetricsExporter,
    http::state::App,
    lifecycle::{
        gatekeeper,
        load::LoadMeters,
        log_folder,
        open_files::{max_connections, shard_count},
    },
    relay,
    settings::{Delivery, EventKind, Settings},
    webhook::{EventMeters, EventQueue, RunEvents, WebhookSender},
};

/// Everything of a gateway but its sockets and its log. `tricast check` builds it too, and so finds
/// what would keep a gateway from starting.
///
/// The log comes last: a start that fails leaves it as it was.
pub(crate) struct Groundwork {
    log: Arc<Log>,
    connections: usize,
    hub_meters: Meters,
    disk_meters: Option<DiskMeters>,
    exporter: Arc<MetricsExporter>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    gatekeeper: Arc<Gatekeeper>,
    jwks: Option<Jwks>,
    webhook: Option<(Arc<EventQueue>, WebhookSender)>,
    upstreams: Vec<UpstreamConfig>,
    send_mode: Option<SendMode>,
    socket_meters: SocketMeters,
    load_meters: LoadMeters,
}

/// Everything of a gateway but its sockets.
pub(crate) struct Components {
    pub(crate) hub: Arc<Hub>,
    pub(crate) exporter: Arc<MetricsExporter>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) jwks: Option<Jwks>,
    pub(crate) webhook: Option<(Arc<EventQueue>, WebhookSender)>,
    pub(crate) runs: Runs,
    /// How the shards send. `None` means the generic delivery, without shards.
    pub(crate) send_mode: Option<SendMode>,
    pub(crate) socket_meters: SocketMeters,
    pub(crate) load_meters: LoadMeters,
}

/// Finds what would keep a gateway from starting, beside a gateway that may be running. Nothing is
/// written.
///
/// # Errors
/// What the start would report.
pub(crate) fn check(settings: &Settings) -> anyhow::Result<()> {
    Groundwork::build(settings)?;
    log_folder::look(settings).map(drop)
}

impl Groundwork {
    /// Builds it.
    ///
    /// # Errors
    /// When a file that the settings name cannot be read or has the wrong content, or the machine
    /// lacks what they ask for.
    pub(crate) fn build(settings: &Settings) -> anyhow::Result<Self> {
        let connections = max_connections(settings);
        let (meters, exporter) = MetricsExporter::new(settings, connections)?;
        let log = log(settings);
        let tls = &settings.tls;
        let load = || Certificate::load(tls.certificate.clone(), tls.key.clone());
        let certificate = (!tls.bind.is_empty()).then(load).transpose()?;
        let (gatekeeper, jwks) = gatekeeper::build(settings, meters.hook)?;
        let webhook = webhook(settings, &log, meters.events)?;
        let upstreams = relay::config::upstreams(settings)?;
        let send_mode = send_mode(settings.delivery)?;
        let (hub_meters, disk_meters) = (meters.hub, meters.disk);
        let (socket_meters, load_meters) = (meters.sockets, meters.load);
        Ok(Self {
            log,
            connections,
            hub_meters,
            disk_meters,
            exporter,
            certificate,
            gatekeeper,
            jwks,
            webhook,
            upstreams,
            send_mode,
            socket_meters,
            load_meters,
        })
    }

    /// Opens the log that the settings name.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub(crate) fn open_log(mut self, settings: &Settings) -> anyhow::Result<Components> {
        let engine = match self.disk_meters.take() {
            Some(meters) => {
                let engine = disk_engine(settings, self.log.clone(), meters)?;
                self.exporter.show_disk(engine.clone());
                engine as Arc<dyn Engine>
            }
            None => memory_engine(settings, self.log.clone()),
        };
        self.with_engine(settings, engine)
    }

    /// Adds the engine that `make_engine` makes for the log.
    ///
    /// # Errors
    /// When an upstream cannot be called by its settings.
    pub(crate) fn with_engine_of(
        self,
        settings: &Settings,
        make_engine: impl FnOnce(Arc<Log>) -> Arc<dyn Engine>,
    ) -> anyhow::Result<Components> {
        let engine = make_engine(self.log.clone());
        self.with_engine(settings, engine)
    }

    fn with_engine(
        self,
        settings: &Settings,
        engine: Arc<dyn Engine>,
    ) -> anyhow::Result<Components> {
        let Self { log, connections, hub_meters, exporter, certificate, gatekeeper, .. } = self;
        let hub = Hub::new(log, engine, hub_meters, connections);
        hub.answer_memory().set_limit(settings.limits.answer_memory.as_u64() as usize);
        let (jwks, webhook, send_mode) = (self.jwks, self.webhook, self.send_mode);
        let relay = relay::config::relay(settings);
        let runs = exporter.registering(|| Runs::new(hub.clone(), relay, self.upstreams))?;
        if let Some((queue, _)) = &webhook {
            runs.set_observer(Box::new(RunEvents(queue.clone())));
        }
        let (socket_meters, load_meters) = (self.socket_meters, self.load_meters);
        Ok(Components {
            hub,
            exporter,
            gatekeeper,
            certificate,
            jwks,
            webhook,
            runs,
            send_mode,
            socket_meters,
            load_meters,
        })
    }
}

/// Selects how the shards send. Returns `None` for the generic delivery.
fn send_mode(delivery: Delivery) -> anyhow::Result<Option<SendMode>> {
    let mode = match delivery {
        Delivery::Generic => return Ok(None),
        Delivery::Epoll => SendMode::Epoll,
        Delivery::IoUring => {
            let advice = "the kernel does not permit io_uring; set delivery = \"auto\"";
            SendMode::IoUring.probe().context(advice)?;
            SendMode::IoUring
        }
        Delivery::Auto => match SendMode::IoUring.probe() {
            Ok(()) => SendMode::IoUring,
            Err(error) => {
                tracing::info!(%error, "io_uring is not available; delivering with epoll");
                SendMode::Epoll
            }
        },
    };
    Ok(Some(mode))
}

/// Starts the threads of the shards.
pub(crate) fn start_shards(
    app: &App,
    send_mode: SendMode,
    meters: &SocketMeters,
) -> anyhow::Result<(Shards, tricast_delivery::ShardsGuard)> {
    let count = shard_count(&app.settings());
    let stall_timeout = app.settings().stream.stall_timeout;
    let shard_config =
        tricast_delivery::ShardConfig { stall_timeout, stalled: meters.stalled.clone() };
    let runtime = tokio::runtime::Handle::current();
    let started = Shards::start(count, &app.hub, &shard_config, send_mode, &runtime);
    started.context("cannot start the threads of the shards")
}

/// Builds the queue of webhook events and its sender, if `events.url` is set.
fn webhook(
    settings: &Settings,
    log: &Log,
    meters: EventMeters,
) -> anyhow::Result<Option<(Arc<EventQueue>, WebhookSender)>> {
    let events = &settings.events;
    if events.url.is_empty() {
        return Ok(None);
    }
    let backend =
        BackendClient::new(&events.url, &events.secret, events.timeout).context("events.url")?;
    let queue = Arc::new(EventQueue::new(events.on.clone(), events.batch, events.queue, meters));
    if queue.wants(EventKind::Online) || queue.wants(EventKind::Gone) {
        log.set_observer(queue.clone());
    }
    // A run of its own: the epoch of the log outlives the process, and who is online does not.
    let (epoch, interval) = (new_epoch(), events.interval);
    let sender = WebhookSender { queue: queue.clone(), backend, epoch, interval };
    Ok(Some((queue, sender)))
}

fn new_epoch() -> Epoch {
    Epoch::begin(unix_millis() / 1000)
}

fn log(settings: &Settings) -> Arc<Log> {
    let history = &settings.history;
    let limits = Limits::default()
        .with_rules(settings.channel_rules())
        .with_memory_bytes(history.memory.as_u64() as usize)
        .with_channels(settings.limits.channels)
        .with_tombstones(history.tombstones);
    let log = Arc::new(Log::new(new_epoch(), limits));
    log.set_folds(Arc::new(Answers));
    log
}

fn disk_engine(
    settings: &Settings,
    log: Arc<Log>,
    meters: DiskMeters,
) -> anyhow::Result<Arc<DiskEngine>> {
    log_folder::look(settings)?.iter().for_each(|warning| tracing::warn!("{warning}"));
    let config = log_folder::engine_config(settings);
    let path = &settings.log.path;
    DiskEngine::open(path, config, log, meters)
        .with_context(|| format!("cannot open the log in {}", path.display()))
}

fn memory_engine(settings: &Settings, log: Arc<Log>) -> Arc<dyn Engine> {
    let publish = &settings.publish;
    let (window, entries) = (publish.idempotency_window, publish.idempotency_entries);
    Arc::new(MemoryEngine::new(log, window, entries))
}
