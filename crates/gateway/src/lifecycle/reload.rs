//! Hot reload: new settings and a new certificate for a gateway that runs.

use anyhow::Context as _;

use crate::{
    http::state::LiveConfig,
    lifecycle::{
        gatekeeper,
        gateway::{Gateway, settings_at},
        open_files::{self, max_connections},
    },
    relay,
    settings::{Reload, Settings},
};

/// The keys that differ after a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Keys whose new values are in effect.
    pub applied: Vec<String>,
    /// Keys whose new values wait for a restart.
    pub needs_restart: Vec<String>,
}

impl Gateway {
    /// Applies those of `settings` that can change while the gateway runs. Open streams keep the
    /// settings under which they were admitted.
    ///
    /// # Errors
    /// When a file that the settings name cannot be read, or the settings do not fit what waits for
    /// a restart. Nothing has changed then.
    pub fn reload(&self, settings: Settings) -> anyhow::Result<ReloadReport> {
        let before = self.app.live();
        let Reload { settings, applied, needs_restart } = before.settings.reload(settings);
        // The old and the new settings are each valid, and a mixture of them may not be.
        let mixed = settings_at(&settings, &self.addresses);
        mixed.check_bound().with_context(|| {
            format!("{} cannot change before {} do", applied.join(", "), needs_restart.join(", "))
        })?;
        let gatekeeper = gatekeeper::rebuild(
            (&before.gatekeeper, &before.settings),
            &settings,
            self.jwks.clone(),
        )?;
        let runs = before.relay.runs.clone();
        let upstreams = relay::config::upstreams(&settings)?;
        let relay = relay::config::relay(&settings);
        self.exporter.registering(|| runs.reconfigure(relay, upstreams))?;
        if applied.iter().any(|key| key == "limits.connections") {
            open_files::warn_if_few(&settings);
        }
        self.app.hub.set_connection_limit(max_connections(&settings));
        self.app.hub.log().set_rules(settings.channel_rules());
        self.exporter.set_namespaces(&settings, max_connections(&settings));
        self.app.set_live(LiveConfig::new(settings, gatekeeper, runs));
        Ok(ReloadReport { applied, needs_restart })
    }

    /// Reads the certificate again now. Does nothing without TLS.
    pub async fn reload_certificate(&self) {
        if let Some(certificate) = &self.certificate {
            certificate.clone().refresh(true).await;
        }
    }
}
