//! The configuration of `tricast-llm`, from the settings.

use tricast_llm::{Model, RelayConfig, UpstreamConfig};

use crate::settings::{Llm, Settings};

/// Returns the upstreams of the settings, with the keys that their files hold.
///
/// # Errors
/// When a key file cannot be read.
pub(crate) fn upstreams(settings: &Settings) -> anyhow::Result<Vec<UpstreamConfig>> {
    settings.llm.iter().map(upstream).collect()
}

fn upstream(llm: &Llm) -> anyhow::Result<UpstreamConfig> {
    let models = llm.model_names().into_iter();
    let fields = llm.headers.iter();
    Ok(UpstreamConfig {
        name: llm.name.clone(),
        url: llm.base_url().to_owned(),
        key: llm.read_key()?,
        models: models.map(|(name, model)| Model { name, model }).collect(),
        headers: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
        connect: llm.connect,
        first_token: llm.first_token,
        idle: llm.idle,
        total: llm.total,
        retries: llm.retries,
        at_once: llm.at_once,
        fallback: llm.fallback.clone(),
        open_after: llm.open_after,
        open_for: llm.open_for,
    })
}

/// Returns the rules of all runs.
pub(crate) fn relay(settings: &Settings) -> RelayConfig {
    let relay = &settings.relay;
    let size = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    RelayConfig {
        rollup: relay.rollup,
        answer_bytes: size(relay.answer_bytes),
        event_bytes: size(relay.event_bytes),
        prompt_bytes: size(relay.prompt_bytes),
        head_wait: relay.head_wait,
        keep: relay.keep,
        runs_per_user: relay.runs_per_user,
    }
}
