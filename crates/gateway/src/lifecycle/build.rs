//! Builds the components of a gateway from the settings.

use std::sync::Arc;

use anyhow::Context as _;
use tricast_admission::{BackendClient, Gatekeeper, Jwks};
use tricast_core::{Engine, Epoch, Hub, Limits, Log, MemoryEngine, unix_millis};
use tricast_delivery::{SendMode, Shards};
use tricast_disk::{DiskEngine, DiskMeters};
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
    settings::{Delivery, EventKind, Settings},
    webhook::{EventMeters, EventQueue, WebhookSender},
};

/// What components are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A gateway, which has the log for itself.
    Serve,
    /// A look at the settings, beside a gateway that may be running. Nothing is written.
    Check,
}

/// Everything of a gateway that can be built before it has a socket. `tricast check` builds it too,
/// and so finds what would keep a gateway from starting.
pub(crate) struct Components {
    pub(crate) hub: Arc<Hub>,
    pub(crate) exporter: Arc<MetricsExporter>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) jwks: Option<Jwks>,
    pub(crate) webhook: Option<(Arc<EventQueue>, WebhookSender)>,
    /// How the shards send. `None` means the generic delivery, without shards.
    pub(crate) send_mode: Option<SendMode>,
    pub(crate) socket_meters: SocketMeters,
    pub(crate) load_meters: LoadMeters,
}

impl Components {
    /// Builds all components.
    ///
    /// # Errors
    /// When a file that the settings name cannot be read or has the wrong content, or the machine
    /// lacks what they ask for.
    pub(crate) fn build(settings: &Settings, purpose: Purpose) -> anyhow::Result<Self> {
        Self::assemble(settings, |log, meters, exporter| match meters {
            Some(meters) if purpose == Purpose::Serve => {
                let engine = disk_engine(settings, log, meters)?;
                exporter.show_disk(engine.clone());
                Ok(engine)
            }
            Some(_) => log_folder::look(settings).map(|_| memory_engine(settings, log)),
            None => Ok(memory_engine(settings, log)),
        })
    }

    /// Builds all components, with the engine that `make_engine` makes for the log.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub(crate) fn build_with(
        settings: &Settings,
        make_engine: impl FnOnce(Arc<Log>) -> Arc<dyn Engine>,
    ) -> anyhow::Result<Self> {
        Self::assemble(settings, |log, _, _| Ok(make_engine(log)))
    }

    fn assemble(
        settings: &Settings,
        make_engine: impl FnOnce(
            Arc<Log>,
            Option<DiskMeters>,
            &MetricsExporter,
        ) -> anyhow::Result<Arc<dyn Engine>>,
    ) -> anyhow::Result<Self> {
        let connections = max_connections(settings);
        let (meters, exporter) = MetricsExporter::new(settings, connections)?;
        let log = log(settings);
        let engine = make_engine(log.clone(), meters.disk, &exporter)?;
        let hub = Hub::new(log, engine, meters.hub, connections);
        hub.answer_memory().set_limit(settings.limits.answer_memory.as_u64() as usize);
        let tls = &settings.tls;
        let load = || Certificate::load(tls.certificate.clone(), tls.key.clone());
        let certificate = (!tls.bind.is_empty()).then(load).transpose()?;
        let (gatekeeper, jwks) = gatekeeper::build(settings, meters.hook)?;
        let webhook = webhook(settings, &hub, meters.events)?;
        let send_mode = send_mode(settings.delivery)?;
        let (socket_meters, load_meters) = (meters.sockets, meters.load);
        Ok(Self {
            hub,
            exporter,
            certificate,
            gatekeeper,
            jwks,
            webhook,
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
    hub: &Hub,
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
        hub.log().set_observer(queue.clone());
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
    Arc::new(Log::new(new_epoch(), limits))
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
