//! The gateway as a whole: wires everything together.

use std::{net::SocketAddr, os::fd::OwnedFd, sync::Arc, time::Duration};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::time::interval;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tricast_admission::Jwks;
use tricast_net::{Acceptor, AddressLimiter, Certificate, ConnServer, ProxyHeaders};

pub use crate::lifecycle::sockets::listeners::BoundAddress;
use crate::{
    admin,
    admin::metrics::MetricsExporter,
    http::{
        admission,
        budget::BodyBudget,
        routes,
        state::{App, LiveConfig},
    },
    lifecycle::{
        build::{Components, max_connections, max_sockets, start_shards},
        handover::{Program, Successor},
        load,
        net_config::{self, DirectClients},
        sockets::{
            inherited::{BoundListener, Inherited},
            listeners::Listeners,
        },
    },
    settings::{Address, Reload, Settings},
    webhook::{WebhookSender, WebhookTask},
};

/// Connections to the admin listener, out of those: health must answer when all others are taken.
const ADMIN_SOCKETS: usize = 100;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where clients connect.
    pub addresses: Vec<BoundAddress>,
    /// Where metrics and health answer.
    pub admin_address: SocketAddr,
    pub(super) app: Arc<App>,
    pub(super) exporter: Arc<MetricsExporter>,
    pub(super) jwks: Option<Jwks>,
    pub(super) webhook_task: Option<WebhookTask>,
    pub(super) certificate: Option<Arc<Certificate>>,
    /// The listening sockets, for whoever takes over.
    pub(super) handover_sockets: Vec<(String, OwnedFd)>,
    pub(super) stop: CancellationToken,
    /// Background work that ends with the gateway.
    pub(super) _background_tasks: Vec<AbortOnDropHandle<()>>,
    /// Where connections will come in.
    pub(super) unopened: Vec<(BoundListener, ConnServer)>,
    /// Where they do, until it stops.
    pub(super) acceptors: Vec<Acceptor>,
    /// Every stream that is left ends with it.
    pub(super) shards: Option<tricast_delivery::ShardsGuard>,
}

impl Gateway {
    /// Binds and begins to serve, on the current tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let mut gateway = Self::prepare(settings, Inherited::default())?;
        gateway.open()?;
        Ok(gateway)
    }

    /// Has everything ready, with the sockets that are there already in place of those that the settings name. Nobody is let in before
    /// it is [opened](Self::open).
    ///
    /// # Errors
    /// As [`start`](Self::start), and when what was handed in does not fit.
    pub fn prepare(settings: Settings, inherited: Inherited) -> anyhow::Result<Self> {
        let Components {
            hub,
            exporter,
            certificate,
            gatekeeper,
            jwks,
            webhook,
            send_mode,
            socket_meters,
            load_meters,
        } = Components::build(&settings)?;
        let listeners = Listeners::of(&settings, inherited, certificate.as_ref())?;
        let (addresses, admin_address) = (listeners.addresses()?, listeners.admin_address()?);
        let handover_sockets = listeners.handover_sockets()?;
        // What was handed in may be public where the settings are not.
        let actual = settings_at(&settings, &addresses);
        actual.check_bound()?;
        let serves_dashboard = actual.serves_dashboard();
        let tasks = TaskTracker::new();
        let conn_config = net_config::conn_config(&settings, max_sockets(&settings));
        let admin_conn_config = net_config::conn_config(&settings, ADMIN_SOCKETS);
        let (not_ready, draining) = (CancellationToken::new(), CancellationToken::new());
        let refresh = settings.tokens.jwks_refresh;
        let (event_queue, webhook_sender) = webhook.unzip();
        let webhook_task = webhook_sender.map(WebhookSender::start);
        let body_budget = BodyBudget::new(settings.limits.body_memory.as_u64() as usize);
        let app = App {
            hub,
            live: ArcSwap::from_pointee(LiveConfig::new(settings, gatekeeper)),
            channel_listing: tokio::sync::Semaphore::new(1),
            body_budget,
            event_queue,
            serves_dashboard,
            not_ready,
            draining,
            tasks: tasks.clone(),
        };
        let app = Arc::new(app);
        let stop = CancellationToken::new();
        let started =
            send_mode.map(|send_mode| start_shards(&app, send_mode, &socket_meters)).transpose()?;
        let (shards, shard_owner) = started.unzip();
        let admin_routes = admin::routes::routes(app.clone(), exporter.clone());
        let proxy = Arc::new(app.settings().proxy.clone());
        let conn_server = |router, config, shards, connection_limits: Option<_>, tls| {
            let (meters, tasks, stop) = (socket_meters.clone(), tasks.clone(), stop.clone());
            let draining = app.draining.clone();
            // Whose addresses are counted are clients; the operator's do not come by a proxy.
            let expects_proxy_headers = proxy.protocol && connection_limits.is_some();
            let address_limiter = connection_limits.map(|limits| {
                let proxy = proxy.clone();
                Arc::new(DirectClients { limits, proxy }) as Arc<dyn AddressLimiter>
            });
            let runtime = tokio::runtime::Handle::current();
            ConnServer {
                router,
                config,
                meters,
                tasks,
                runtime,
                stop,
                draining,
                proxy_headers: expects_proxy_headers.then(|| ProxyHeaders::new(proxy.clone())),
                shards,
                address_limiter,
                tls,
            }
        };
        let Listeners { admin, plain, encrypted } = listeners;
        let admin_server = conn_server(admin_routes, admin_conn_config, None, None, None);
        let mut unopened = vec![(admin, admin_server)];
        let plain = plain.into_iter().map(|bound_listener| (bound_listener, None));
        let encrypted =
            encrypted.into_iter().map(|(bound_listener, tls)| (bound_listener, Some(tls)));
        let public_routes = routes::public(app.clone());
        for (bound_listener, tls) in plain.chain(encrypted) {
            let connection_limits = Some(app.gatekeeper().connection_limits.clone());
            let (router, conn_config) = (public_routes.clone(), conn_config.clone());
            unopened.push((
                bound_listener,
                conn_server(router, conn_config, shards.clone(), connection_limits, tls),
            ));
        }
        let mut background_tasks =
            vec![abort_on_drop(run_housekeeping(app.clone(), exporter.clone()))];
        let max_lag = app.settings().limits.overload;
        background_tasks.push(abort_on_drop(load::monitor_lag(
            app.hub.clone(),
            max_lag,
            load_meters,
        )));
        let presence_app = app.clone();
        let presence = App::presence_rules_of(&app.settings());
        background_tasks
            .push(abort_on_drop(async move { presence_app.hub.run_presence(presence).await }));
        let jwks_task = jwks.clone().map(|jwks| jwks.keep_fresh(refresh));
        background_tasks.extend(jwks_task.map(abort_on_drop));
        let check_interval = app.settings().tls.look;
        let certificate_task =
            certificate.clone().map(|certificate| certificate.keep_fresh(check_interval));
        background_tasks.extend(certificate_task.map(abort_on_drop));
        let (_background_tasks, shards) = (background_tasks, shard_owner);
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
            _background_tasks,
            shards,
        })
    }

    /// Lets clients in.
    ///
    /// # Errors
    /// When the system gives no thread to wait for them.
    pub fn open(&mut self) -> anyhow::Result<()> {
        for (BoundListener { socket, self_bound }, conn_server) in self.unopened.drain(..) {
            let acceptor = Acceptor::open(socket, !self_bound, conn_server);
            self.acceptors.push(acceptor.context("cannot start to accept connections")?);
        }
        if self.app.settings().insecure {
            tracing::warn!(
                "insecure = true: anyone who reaches this address may publish and listen"
            );
        }
        let at = self.addresses.iter().map(BoundAddress::to_string).collect::<Vec<_>>().join(", ");
        let connections = max_connections(&self.app.settings());
        tracing::info!(at, admin = %self.admin_address, connections, "listening");
        Ok(())
    }

    /// The first address of TCP where clients connect in clear, if there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address_of(false)
    }

    /// The same, encrypted.
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

    /// Takes on of `settings` what can change while the gateway runs; streams that are open go on under those that they were
    /// let in with. Tells which keys have changed, and which wait for a new start.
    ///
    /// # Errors
    /// When a key cannot be read. Nothing has changed then.
    pub fn reload(&self, settings: Settings) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let before = self.app.live();
        let Reload { settings, applied, needs_restart } = before.settings.reload(settings);
        // Each file by itself is good; what comes of both may not be.
        let mixed = settings_at(&settings, &self.addresses);
        mixed.check_bound().with_context(|| {
            format!("{} cannot change before {} do", applied.join(", "), needs_restart.join(", "))
        })?;
        let jwks = self.jwks.clone();
        let gatekeeper = admission::reloaded_gatekeeper(
            (&before.gatekeeper, &before.settings),
            &settings,
            jwks,
        )?;
        self.app.hub.set_connection_limit(max_connections(&settings));
        self.app.hub.log().set_rules(settings.channel_rules());
        self.exporter.set_namespaces(&settings, max_connections(&settings));
        self.app.set_live(LiveConfig::new(settings, gatekeeper));
        Ok((applied, needs_restart))
    }

    /// Looks for a new certificate now, if there is TLS at all.
    pub async fn reload_certificate(&self) {
        if let Some(certificate) = &self.certificate {
            certificate.clone().refresh(true).await;
        }
    }

    /// How many listen.
    pub fn connections(&self) -> usize {
        self.app.hub.connection_count()
    }

    /// Starts `program` with this gateway's listening sockets, and returns when it is ready. It waits for this one to
    /// [`retire`](Self::retire).
    ///
    /// # Errors
    /// When it does not become ready; then this gateway goes on.
    pub async fn hand_over(&self, program: &Program) -> anyhow::Result<Successor> {
        let copy = |(name, socket): &(String, OwnedFd)| Ok((name.clone(), socket.try_clone()?));
        let sockets =
            self.handover_sockets.iter().map(copy).collect::<std::io::Result<Vec<_>>>()?;
        program.start_with(sockets).await
    }
}

/// `settings` as they are once these addresses are bound.
fn settings_at(settings: &Settings, bound: &[BoundAddress]) -> Settings {
    let addresses_of = |encrypted| {
        let matching = bound.iter().filter(move |bound| bound.encrypted == encrypted);
        matching.map(|bound| bound.address.clone()).collect()
    };
    settings.bound_at(addresses_of(false), addresses_of(true))
}

fn abort_on_drop(work: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(work))
}

async fn run_housekeeping(app: Arc<App>, exporter: Arc<MetricsExporter>) {
    let mut every = interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        app.hub.sweep();
        app.gatekeeper().rates.sweep();
        exporter.run_upkeep();
    }
}
