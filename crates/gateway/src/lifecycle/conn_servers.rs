//! The server of the connections of each listening socket, by what the socket is for.

use std::sync::Arc;

use axum::Router;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tricast_delivery::Shards;
use tricast_net::{
    AddressLimiter, ConnConfig, ConnServer, ProxyHeaders, SocketMeters, TlsAcceptor,
};

use crate::{
    admin::{self, metrics::MetricsExporter},
    http::{routes, state::SharedApp},
    lifecycle::{
        net_config::{DirectClients, conn_config},
        open_files::max_sockets,
        sockets::{inherited::BoundListener, listeners::Listeners},
    },
};

/// Connections to the admin listener. They do not count among those of clients: health checks must
/// be answered when all of these are in use.
const ADMIN_SOCKETS: usize = 100;

/// Builds the servers of one gateway.
pub(super) struct ConnServers<'a> {
    app: &'a SharedApp,
    meters: SocketMeters,
    stop: &'a CancellationToken,
    shards: Option<Shards>,
}

impl<'a> ConnServers<'a> {
    pub(super) fn new(
        app: &'a SharedApp,
        meters: SocketMeters,
        stop: &'a CancellationToken,
        shards: Option<Shards>,
    ) -> Self {
        Self { app, meters, stop, shards }
    }

    /// Returns each listening socket with its server.
    pub(super) fn for_listeners(
        &self,
        listeners: Listeners,
        exporter: &Arc<MetricsExporter>,
    ) -> Vec<(BoundListener, ConnServer)> {
        let Listeners { admin, plain, encrypted } = listeners;
        let settings = self.app.settings();
        let config = conn_config(&settings, max_sockets(&settings));
        let router = routes::public(self.app.clone());
        let public = |tls| self.public(router.clone(), config.clone(), tls);
        let mut all = vec![(admin, self.admin(exporter))];
        all.extend(plain.into_iter().map(|listener| (listener, public(None))));
        all.extend(encrypted.into_iter().map(|(listener, tls)| (listener, public(Some(tls)))));
        all
    }

    /// The operator connects without a proxy, and no limit per address applies.
    fn admin(&self, exporter: &Arc<MetricsExporter>) -> ConnServer {
        let router = admin::routes::routes(self.app.clone(), exporter.clone());
        self.server(router, conn_config(&self.app.settings(), ADMIN_SOCKETS))
    }

    fn public(&self, router: Router, config: ConnConfig, tls: Option<TlsAcceptor>) -> ConnServer {
        let proxy = Arc::new(self.app.settings().proxy.clone());
        let proxy_headers = proxy.protocol.then(|| ProxyHeaders::new(proxy.clone()));
        let limits = self.app.gatekeeper().connection_limits.clone();
        let address_limiter: Arc<dyn AddressLimiter> = Arc::new(DirectClients { limits, proxy });
        ConnServer {
            proxy_headers,
            shards: self.shards.clone(),
            address_limiter: Some(address_limiter),
            tls,
            ..self.server(router, config)
        }
    }

    fn server(&self, router: Router, config: ConnConfig) -> ConnServer {
        ConnServer {
            router,
            config,
            meters: self.meters.clone(),
            tasks: self.app.tasks.clone(),
            runtime: Handle::current(),
            stop: self.stop.clone(),
            draining: self.app.draining.clone(),
            proxy_headers: None,
            shards: None,
            address_limiter: None,
            tls: None,
        }
    }
}
