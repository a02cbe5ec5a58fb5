//! Work that goes on beside the requests for as long as the gateway runs.

use std::{sync::Arc, time::Duration};

use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;
use tricast_admission::Jwks;
use tricast_net::Certificate;

use crate::{
    admin::metrics::MetricsExporter,
    http::state::{App, SharedApp},
    lifecycle::load::{self, LoadMeters},
    settings::Settings,
};

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct BackgroundTasks(Vec<AbortOnDropHandle<()>>);

impl BackgroundTasks {
    /// Starts the periodic work of the hub, the rate limits and the metrics.
    pub(super) fn start_housekeeping(&mut self, app: &SharedApp, exporter: &Arc<MetricsExporter>) {
        let hub_work = app.hub.clone().run(App::presence_rules_of(&app.settings()));
        self.spawn(hub_work);
        let (app, exporter) = (app.clone(), exporter.clone());
        self.spawn(async move {
            let mut ticks = interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
                app.gatekeeper().rates.sweep();
                exporter.run_upkeep();
            }
        });
    }

    /// Measures the lag of the runtime and the shards, and starts and ends load shedding.
    pub(super) fn start_monitor(&mut self, app: &SharedApp, meters: LoadMeters) {
        let max_lag = app.settings().limits.overload;
        self.spawn(load::monitor_lag(app.hub.clone(), max_lag, meters));
    }

    /// Fetches token keys and looks for a new certificate, as often as the settings say.
    pub(super) fn start_refreshing(
        &mut self,
        settings: &Settings,
        jwks: Option<&Jwks>,
        certificate: Option<&Arc<Certificate>>,
    ) {
        if let Some(jwks) = jwks {
            self.spawn(jwks.clone().keep_fresh(settings.tokens.jwks_refresh));
        }
        if let Some(certificate) = certificate {
            self.spawn(certificate.clone().keep_fresh(settings.tls.look));
        }
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.push(AbortOnDropHandle::new(tokio::spawn(work)));
    }
}
