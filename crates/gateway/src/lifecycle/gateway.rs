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

pub use crate::lifecycle::sockets::Bound;
use crate::{
    admin,
    admin::metrics::Exposition,
    http::{
        admission,
        budget::Budget,
        routes,
        state::{App, Live},
    },
    lifecycle::{
        build::{Parts, most_connections, most_sockets, shards},
        handover::{Program, Successor},
        inherited::{Handed, Inherited},
        load,
        sockets::Entrances,
    },
    net::{Certificate, Door, Listener, Rules},
    settings::{Address, Reload, Settings},
    webhook::{Courier, Deliveries},
};

/// Connections to the admin listener, out of those: health must answer when all others are taken.
const ADMIN_SOCKETS: usize = 100;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where clients connect.
    pub addresses: Vec<Bound>,
    /// Where metrics and health answer.
    pub admin_address: SocketAddr,
    pub(super) app: Arc<App>,
    pub(super) exposition: Arc<Exposition>,
    pub(super) jwks: Option<Jwks>,
    pub(super) deliveries: Option<Deliveries>,
    pub(super) certificate: Option<Arc<Certificate>>,
    /// The listening sockets, for whoever takes over.
    pub(super) copies: Vec<(String, OwnedFd)>,
    pub(super) stop: CancellationToken,
    /// Background work that ends with the gateway.
    pub(super) _upkeep: Vec<AbortOnDropHandle<()>>,
    /// Where connections will come in.
    pub(super) closed: Vec<(Handed, Listener)>,
    /// Where they do, until it stops.
    pub(super) doors: Vec<Door>,
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
        let Parts { hub, exposition, certificate, gatekeeper, jwks, events, calls, sockets, load } =
            Parts::of(&settings)?;
        let entrances = Entrances::of(&settings, inherited, certificate.as_ref())?;
        let (addresses, admin_address) = (entrances.addresses()?, entrances.admin_address()?);
        let copies = entrances.copies()?;
        // What was handed in may be public where the settings are not.
        let actual = settings_at(&settings, &addresses);
        actual.check_bound()?;
        let serves_dashboard = actual.serves_dashboard();
        let tasks = TaskTracker::new();
        let rules = Rules::new(&settings, most_sockets(&settings));
        let admin_rules = Rules::new(&settings, ADMIN_SOCKETS);
        let (leaving, draining) = (CancellationToken::new(), CancellationToken::new());
        let refresh = settings.tokens.jwks_refresh;
        let (events, courier) = events.unzip();
        let deliveries = courier.map(Courier::start);
        let bodies = Budget::new(settings.limits.body_memory.as_u64() as usize);
        let app = App {
            hub,
            live: ArcSwap::from_pointee(Live::new(settings, gatekeeper)),
            listing: tokio::sync::Semaphore::new(1),
            bodies,
            events,
            serves_dashboard,
            leaving,
            draining,
            tasks: tasks.clone(),
        };
        let app = Arc::new(app);
        let stop = CancellationToken::new();
        let started = calls.map(|calls| shards(&app, calls, &sockets)).transpose()?;
        let (shards, shard_owner) = started.unzip();
        let admin_routes = admin::routes::routes(app.clone(), exposition.clone());
        let takes_proxy_headers = app.settings().proxy.protocol;
        let listener = |router, rules, shards, crowds: Option<_>, tls| {
            let (meters, tasks, stop) = (sockets.clone(), tasks.clone(), stop.clone());
            let draining = app.draining.clone();
            // Whose addresses are counted are clients; the operator's do not come by a proxy.
            let takes_proxy_headers = takes_proxy_headers && crowds.is_some();
            let runtime = tokio::runtime::Handle::current();
            Listener {
                router,
                rules,
                meters,
                tasks,
                runtime,
                stop,
                draining,
                takes_proxy_headers,
                told_of_proxies: Default::default(),
                shards,
                crowds,
                tls,
            }
        };
        let Entrances { admin, plain, encrypted } = entrances;
        let private = listener(admin_routes, admin_rules, None, None, None);
        let mut closed = vec![(admin, private)];
        let plain = plain.into_iter().map(|handed| (handed, None));
        let encrypted = encrypted.into_iter().map(|(handed, tls)| (handed, Some(tls)));
        let public_routes = routes::public(app.clone());
        for (handed, tls) in plain.chain(encrypted) {
            let keeper = Some(app.gatekeeper().crowds.clone());
            let (router, rules) = (public_routes.clone(), rules.clone());
            closed.push((handed, listener(router, rules, shards.clone(), keeper, tls)));
        }
        let mut upkeep = vec![abort_on_drop(upkeep(app.clone(), exposition.clone()))];
        let most = app.settings().limits.overload;
        upkeep.push(abort_on_drop(load::watch(app.hub.clone(), most, load)));
        let registrar = app.clone();
        let presence = App::presence_rules_of(&app.settings());
        upkeep.push(abort_on_drop(async move { registrar.hub.keep_presence(presence).await }));
        let keeping = jwks.clone().map(|jwks| jwks.keep_fresh(refresh));
        upkeep.extend(keeping.map(abort_on_drop));
        let look = app.settings().tls.look;
        let fresh = certificate.clone().map(|certificate| certificate.keep_fresh(look));
        upkeep.extend(fresh.map(abort_on_drop));
        let (_upkeep, shards) = (upkeep, shard_owner);
        Ok(Self {
            addresses,
            admin_address,
            app,
            exposition,
            jwks,
            deliveries,
            certificate,
            copies,
            stop,
            closed,
            doors: Vec::new(),
            _upkeep,
            shards,
        })
    }

    /// Lets clients in.
    ///
    /// # Errors
    /// When the system gives no thread to wait for them.
    pub fn open(&mut self) -> anyhow::Result<()> {
        for (Handed { socket, bound }, listener) in self.closed.drain(..) {
            let door = Door::open(socket, !bound, listener);
            self.doors.push(door.context("cannot start to accept connections")?);
        }
        if self.app.settings().insecure {
            tracing::warn!(
                "insecure = true: anyone who reaches this address may publish and listen"
            );
        }
        let at = self.addresses.iter().map(Bound::to_string).collect::<Vec<_>>().join(", ");
        let connections = most_connections(&self.app.settings());
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
        let Reload { settings, now, later } = before.settings.reload(settings);
        // Each file by itself is good; what comes of both may not be.
        let mixed = settings_at(&settings, &self.addresses);
        mixed.check_bound().with_context(|| {
            format!("{} cannot change before {} do", now.join(", "), later.join(", "))
        })?;
        let jwks = self.jwks.clone();
        let gatekeeper =
            admission::successor((&before.gatekeeper, &before.settings), &settings, jwks)?;
        self.app.hub.set_limit(most_connections(&settings));
        self.app.hub.log().set_rules(settings.channel_rules());
        self.exposition.set_namespaces(&settings, most_connections(&settings));
        self.app.set_live(Live::new(settings, gatekeeper));
        Ok((now, later))
    }

    /// Looks for a new certificate now, if there is TLS at all.
    pub async fn reload_certificate(&self) {
        if let Some(certificate) = &self.certificate {
            certificate.clone().refresh(true).await;
        }
    }

    /// How many listen.
    pub fn connections(&self) -> usize {
        self.app.hub.connections()
    }

    /// Starts `program` with this gateway's listening sockets, and returns when it is ready. It waits for this one to
    /// [`retire`](Self::retire).
    ///
    /// # Errors
    /// When it does not become ready; then this gateway goes on.
    pub async fn hand_over(&self, program: &Program) -> anyhow::Result<Successor> {
        let copy = |(name, socket): &(String, OwnedFd)| Ok((name.clone(), socket.try_clone()?));
        let sockets = self.copies.iter().map(copy).collect::<std::io::Result<Vec<_>>>()?;
        program.start_with(sockets).await
    }
}

/// `settings` as they are once these addresses are bound.
fn settings_at(settings: &Settings, bound: &[Bound]) -> Settings {
    let those = |encrypted| {
        let those = bound.iter().filter(move |bound| bound.encrypted == encrypted);
        those.map(|bound| bound.address.clone()).collect()
    };
    settings.bound_at(those(false), those(true))
}

fn abort_on_drop(work: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(work))
}

async fn upkeep(app: Arc<App>, exposition: Arc<Exposition>) {
    let mut every = interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        app.hub.sweep();
        app.gatekeeper().rates.sweep();
        exposition.run_upkeep();
    }
}
