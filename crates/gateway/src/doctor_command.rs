//! `tricast doctor`: what stands between here and a gateway, and what it does to streams.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use tricast_doctor::{Place, Visit};

/// The flags of `tricast doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Where clients reach the gateway, as in `https://example.com/realtime`.
    #[arg(value_name = "URL")]
    place: Place,
    /// A token or API key that may listen and publish.
    #[arg(long, env = "TRICAST_DOCTOR_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The channel to publish test messages to. Without it, a new one named doctor- and a number.
    #[arg(long)]
    channel: Option<String>,
    /// A certificate to believe in, in PEM: the gateway's own, or of whoever has signed it.
    #[arg(long = "ca", value_name = "FILE")]
    authority: Option<PathBuf>,
    /// For how long to watch silent streams, as in 3m.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Examines, and prints what it finds; whether everything works.
///
/// # Errors
/// When nothing answers there, or may not be asked.
pub async fn doctor(args: DoctorArgs) -> anyhow::Result<bool> {
    let DoctorArgs { place, token, channel, authority, idle, json } = args;
    let visit = Visit { place, token, channel, authority, idle };
    let diagnosis = tricast_doctor::examine(visit).await?;
    match json {
        true => println!("{}", serde_json::to_string_pretty(&diagnosis)?),
        false => println!("{diagnosis}"),
    }
    Ok(diagnosis.is_good())
}
