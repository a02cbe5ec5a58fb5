//! `tricast doctor`: what stands between here and a gateway, and what it does to streams.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use tricast_doctor::{GatewayUrl, Options};

/// What an examination needs and does, below its flags.
const AFTER_HELP: &str = "\
Test messages go to the channel doctor-NUMBER, which is one word: of patterns only * and ** fit it. Or they go to that of --channel, \
whose real listeners hear them. A token has to be allowed to listen and to publish there:
  tricast token --sub doctor --subscribe 'orders.*' --publish 'orders.*'
  tricast doctor https://example.com --channel orders.doctor --token TOKEN

It ends with
  0  when everything works,
  2  when something does not, or when the examination broke off,
  1  when the gateway could not be asked at all; then --json prints {\"url\":…,\"error\":…}.";

/// The flags of `tricast doctor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DoctorArgs {
    /// Where clients reach the gateway, as in `https://example.com/realtime`.
    #[arg(value_name = "URL")]
    place: GatewayUrl,
    /// A token or API key that may listen and publish.
    #[arg(long, env = "TRICAST_DOCTOR_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The channel to publish test messages to. Without it, a new one named doctor- and a number.
    #[arg(long)]
    channel: Option<String>,
    /// A certificate to believe in, in PEM, and in no other: the gateway's own, or of whoever has signed it.
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
    let url = place.to_string();
    let options = Options { gateway: place, token, channel, ca_file: authority, idle };
    // What is found goes to standard output, and is one document.
    let watching = |idle| {
        eprintln!("watching silent streams for {}", humantime::format_duration(idle));
    };
    let diagnosis = match tricast_doctor::examine(options, watching).await {
        Ok(diagnosis) => diagnosis,
        Err(error) => {
            if json {
                let document = serde_json::json!({ "url": url, "error": format!("{error:#}") });
                println!("{document:#}");
            }
            return Err(error);
        }
    };
    match json {
        true => println!("{}", serde_json::to_string_pretty(&diagnosis)?),
        false => println!("{diagnosis}"),
    }
    Ok(diagnosis.is_good())
}
