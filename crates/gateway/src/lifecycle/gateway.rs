//! The gateway as a whole: builds its parts and connects them.

use std::{net::SocketAddr, os::fd::OwnedFd, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use tricast_admission::Jwks;
use tricast_core::{Engine, Health, Log};
use tricast_net::{Acceptor, Certificate, ConnServer};

pub use crate::lifecycle::sockets::listeners::BoundAddress;
use crate::{
    admin::metrics::MetricsExporter,
    http::{
        directions::Places,
        state::{App, LiveConfig},
    },
    lifecycle::{
        background::BackgroundTasks,
        build::{Components, Groundwork, start_shards},
        conn_servers::ConnServers,
        handover::{Program, Successor},
        open_files::{self, max_connections},
        sockets::{
            inherited::{BoundListener, Inherited},
            listeners::Listeners,
        },
    },
    settings::{Address, Settings},
    webhook::{WebhookSender, WebhookTask},
};

/// How often the health of the log is looked at.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Addresses where clients connect.
    pub addresses: Vec<BoundAddress>,
    /// Address of the admin listener: metrics, health, connections.
    pub admin_address: SocketAddr,
    pub(super) app: Arc<App>,
    pub(super) exporter: Arc<MetricsExporter>,
    pub(super) jwks: Option<Jwks>,
    pub(super) webhook_task: Option<WebhookTask>,
    pub(super) certificate: Option<Arc<Certificate>>,
    /// Duplicates of the listening sockets, for a successor.
    pub(super) handover_sockets: Vec<(String, OwnedFd)>,
    pub(super) stop: CancellationToken,
    /// Ends with the gateway.
    pub(super) _background_tasks: BackgroundTasks,
    /// Listening sockets that do not accept connections yet.
    pub(super) unopened: Vec<(BoundListener, ConnServer)>,
    /// Acceptors of those that do.
    pub(super) acceptors: Vec<Acceptor>,
    /// Dropping it ends every stream that is left.
    pub(super) shards: Option<tricast_delivery::ShardsGuard>,
}

/// Everything of a gateway that can fail before the log is touched.
pub(super) struct Foundation {
    groundwork: Groundwork,
    listeners: Listeners,
}

impl Foundation {
    /// Builds the groundwork, and binds the addresses.
    ///
    /// # Errors
    /// Those of [`Gateway::prepare`], but for those of the log.
    pub(super) fn lay(settings: &Settings, inherited: Inherited) -> anyhow::Result<Self> {
        let groundwork = Groundwork::build(settings)?;
        let listeners = Listeners::bind(settings, inherited, groundwork.certificate.as_ref())?;
        // Inherited sockets may be public although the settings are not.
        settings_at(settings, &listeners.addresses()?).check_bound()?;
        Ok(Self { groundwork, listeners })
    }
}

impl Gateway {
    /// Binds the addresses of the settings and starts to serve, on the current Tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let mut gateway = Self::prepare(settings, Inherited::default())?;
        gateway.open()?;
        Ok(gateway)
    }

    /// Starts a gateway whose log is fed by the engine that `make_engine` makes for it, instead of
    /// the one that the settings name. For programs that bring an engine of their own.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_with_engine(
        settings: Settings,
        make_engine: impl FnOnce(Arc<Log>) -> Arc<dyn Engine>,
    ) -> anyhow::Result<Self> {
        let Foundation { groundwork, listeners } =
            Foundation::lay(&settings, Inherited::default())?;
        let components = groundwork.with_engine_of(&settings, make_engine)?;
        let mut gateway = Self::assemble(settings, listeners, components)?;
        gateway.open()?;
        Ok(gateway)
    }

    /// Prepares a gateway that accepts no connection before it is [opened](Self::open). It takes
    /// over inherited sockets instead of binding the same addresses.
    ///
    /// # Errors
    /// Those of [`start`](Self::start), and when the inherited sockets do not fit the settings.
    pub fn prepare(settings: Settings, inherited: Inherited) -> anyhow::Result<Self> {
        let foundation = Foundation::lay(&settings, inherited)?;
        Self::build_on(foundation, settings)
    }

    /// Opens the log, and connects everything.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub(super) fn build_on(foundation: Foundation, settings: Settings) -> anyhow::Result<Self> {
        let Foundation { groundwork, listeners } = foundation;
        let components = groundwork.open_log(&settings)?;
        Self::assemble(settings, listeners, components)
    }

    /// Connects the components.
    fn assemble(
        settings: Settings,
        listeners: Listeners,
        components: Components,
    ) -> anyhow::Result<Self> {
        let Components { hub, exporter, certificate, gatekeeper, jwks, .. } = components;
        let (addresses, admin_address) = (listeners.addresses()?, listeners.admin_address()?);
        let handover_sockets = listeners.handover_sockets()?;
        let actual = settings_at(&settings, &addresses);
        let (event_queue, webhook_sender) = components.webhook.unzip();
        let webhook_task = webhook_sender.map(WebhookSender::start);
        let runs = components.runs.clone();
        // Before the first prompt: whatever is open now was lost.
        tokio::spawn(async move { runs.end_lost().await });
        let live = LiveConfig::new(settings, gatekeeper, components.runs.clone());
        let places = places(&addresses, admin_address);
        let app = Arc::new(App::new(hub, live, event_queue, actual.serves_dashboard(), places));
        let shards = components
            .send_mode
            .map(|send_mode| start_shards(&app, send_mode, &components.socket_meters))
            .transpose()?;
        let (shards, shards_guard) = shards.unzip();
        let stop = CancellationToken::new();
        let servers = ConnServers::new(&app, components.socket_meters, &stop, shards);
        let unopened = servers.for_listeners(listeners, &exporter);
        let mut background_tasks = BackgroundTasks::default();
        background_tasks.start_housekeeping(&app, &exporter);
        background_tasks.start_monitor(&app, components.load_meters);
        background_tasks.start_refreshing(&app.settings(), jwks.as_ref(), certificate.as_ref());
        Ok(Self {
            addresses,
            admin_address,
            app,
            exporter,
            jwks,
            webhook_task,
            certificate,
            handover_sockets,
            stop,
            unopened,
            acceptors: Vec::new(),
            _background_tasks: background_tasks,
            shards: shards_guard,
        })
    }

    /// Accepts connections from now on.
    ///
    /// # Errors
    /// When the system cannot start a thread for an acceptor.
    pub fn open(&mut self) -> anyhow::Result<()> {
        for (BoundListener { socket, self_bound }, conn_server) in self.unopened.drain(..) {
            let acceptor = Acceptor::open(socket, !self_bound, conn_server);
            self.acceptors.push(acceptor.context("cannot start an acceptor")?);
        }
        if self.app.settings().insecure {
            tracing::warn!(
                "insecure = true: anyone who can reach this address may publish and subscribe"
            );
        }
        let at = self.addresses.iter().map(BoundAddress::to_string).collect::<Vec<_>>().join(", ");
        let connections = max_connections(&self.app.settings());
        open_files::warn_if_few(&self.app.settings());
        tracing::info!(at, admin = %self.admin_address, connections, "listening");
        Ok(())
    }

    /// Returns the first TCP address without TLS, if there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address_of(false)
    }

    /// Returns the first TCP address with TLS, if there is one.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.address_of(true)
    }

    fn address_of(&self, encrypted: bool) -> Option<SocketAddr> {
        let wanted = self.addresses.iter().filter(|bound| bound.encrypted == encrypted);
        wanted.into_iter().find_map(|bound| match bound.address {
            Address::Tcp(address) => Some(address),
            Address::Unix(_) => None,
        })
    }

    /// Returns why the log has failed, once it has and readers have had `shutdown.grace` to be
    /// served what is there. Meanwhile `/readyz` says so, and nothing is published.
    pub async fn log_failure(&self) -> Arc<str> {
        let mut ticks = interval(HEALTH_INTERVAL);
        loop {
            ticks.tick().await;
            if let Health::Failed { why } = self.app.hub.health() {
                sleep(self.app.settings().shutdown.grace).await;
                return why;
            }
        }
    }

    /// Returns the number of open streams.
    pub fn connections(&self) -> usize {
        self.app.hub.connection_count()
    }

    /// Starts `program` with this gateway's listening sockets, and returns when it is ready. The
    /// new gateway then waits for [`hand_over_and_stop`](Self::hand_over_and_stop).
    ///
    /// # Errors
    /// When it does not become ready. This gateway goes on then.
    pub async fn hand_over(&self, program: &Program) -> anyhow::Result<Successor> {
        let copy = |(name, socket): &(String, OwnedFd)| Ok((name.clone(), socket.try_clone()?));
        let sockets =
            self.handover_sockets.iter().map(copy).collect::<std::io::Result<Vec<_>>>()?;
        program.start_with(sockets).await
    }
}

/// Returns where the listeners are, for clients that are at the wrong one.
fn places(addresses: &[BoundAddress], admin: SocketAddr) -> Places {
    let public = addresses.iter().map(BoundAddress::to_string).collect::<Vec<_>>().join(", ");
    // An address in a private network is not for every client to know.
    let admin = admin.ip().is_loopback().then(|| format!("http://{admin}"));
    Places { public, admin }
}

/// Returns `settings` with the addresses that are bound in fact.
pub(super) fn settings_at(settings: &Settings, bound: &[BoundAddress]) -> Settings {
    let addresses_of = |encrypted| {
        let matching = bound.iter().filter(move |bound| bound.encrypted == encrypted);
        matching.map(|bound| bound.address.clone()).collect()
    };
    settings.bound_at(addresses_of(false), addresses_of(true))
}
