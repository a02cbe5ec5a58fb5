//! Builds the gatekeeper from the settings.

use std::sync::Arc;

use anyhow::Context as _;
use tricast_admission::{
    BackendClient, ConnectionLimits, Gatekeeper, Hook, HookMeters, HttpKeys, Jwks, Keyring, Rates,
};

use crate::settings::Settings;

/// Returns the gatekeeper of `settings`, and the remote keys that have to be refreshed.
///
/// # Errors
/// When a key cannot be read.
pub(crate) fn build(
    settings: &Settings,
    meters: HookMeters,
) -> anyhow::Result<(Arc<Gatekeeper>, Option<Jwks>)> {
    let jwks = match settings.tokens.jwks_url.as_str() {
        "" => None,
        url => Some(Jwks::new(Box::new(HttpKeys::new(url.parse()?)?))),
    };
    let limits = &settings.limits;
    let connection_limits =
        ConnectionLimits::new(limits.connections_per_address, limits.connections_per_user);
    let (keyring, rates) = (keyring(settings, jwks.clone())?, Arc::new(rates(settings)));
    let gatekeeper = Gatekeeper {
        keyring,
        rates,
        api_keys: settings.api_keys(),
        namespaces: settings.namespace_rules(),
        audit: Arc::default(),
        connection_limits: Arc::new(connection_limits),
        hook: hook(settings, meters)?.map(Arc::new),
    };
    Ok((Arc::new(gatekeeper), jwks))
}

/// Returns a gatekeeper of `settings` that replaces `before` on a hot reload. It keeps the state
/// that must not be lost: connection counts, rate limits, and the hook's responses.
///
/// # Errors
/// When a key cannot be read.
pub(crate) fn rebuild(
    (before, old): (&Gatekeeper, &Settings),
    settings: &Settings,
    jwks: Option<Jwks>,
) -> anyhow::Result<Arc<Gatekeeper>> {
    // Past publishes still count against the rate limits, unless the limits themselves change.
    let same = old.publish_rates() == settings.publish_rates();
    let gatekeeper = Gatekeeper {
        keyring: keyring(settings, jwks)?,
        rates: if same { before.rates.clone() } else { Arc::new(rates(settings)) },
        api_keys: settings.api_keys(),
        namespaces: settings.namespace_rules(),
        audit: before.audit.clone(),
        connection_limits: before.connection_limits.clone(),
        hook: before.hook.clone(),
    };
    let limits = &settings.limits;
    gatekeeper
        .connection_limits
        .set_limits(limits.connections_per_address, limits.connections_per_user);
    Ok(Arc::new(gatekeeper))
}

fn keyring(settings: &Settings, jwks: Option<Jwks>) -> anyhow::Result<Keyring> {
    Ok(Keyring::new(settings.tokens.read_keys()?, jwks, settings.tokens.expectations()))
}

fn rates(settings: &Settings) -> Rates {
    let [user, key, address] = settings.rates.publisher_rates();
    let namespaces = settings.namespace_rules();
    let channels = namespaces.iter().map(|rules| rules.publish_rate).collect::<Vec<_>>();
    let (relay, channels) = (&settings.relay, channels.into_iter());
    Rates::new(user, key, address, channels)
        .with_prompts(relay.prompts_per_user, relay.prompts_per_address)
}

fn hook(settings: &Settings, meters: HookMeters) -> anyhow::Result<Option<Hook>> {
    let hook = &settings.hook;
    if hook.url.is_empty() {
        return Ok(None);
    }
    let backend = BackendClient::new(&hook.url, &hook.secret, hook.timeout).context("hook.url")?;
    Ok(Some(Hook::new(backend, hook.rules(), meters)))
}
