//! `tricast doctor`: examines what the network between here and a gateway does to streams.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    pin::pin,
    time::Duration,
};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tricast_doctor::{GatewayUrl, Options};

use self::output::Output;
use crate::settings::range::parse_time;

mod output;

/// The text below the flags in `tricast doctor --help`.
const AFTER_HELP: &str = "\
Test messages go to a channel of their own, doctor-NUMBER, which only the patterns * and ** match.
With --channel they go to that channel, and its subscribers receive them. The token has to be
allowed to subscribe and publish there:
  tricast token --sub doctor --subscribe 'orders.*' --publish 'orders.*'
  tricast doctor https://example.com --channel orders.doctor --token TOKEN

Exit codes:
  0  when everything works
  2  when something does not work, or the examination could not be completed: Ctrl-C (SIGINT) and
     SIGTERM end it, and what was found until then is printed
  1  when the gateway cannot be reached or refuses the examination; --json then prints
     {\"url\":…,\"error\":…}";

/// How often the status line on a terminal is drawn.
const TICK: Duration = Duration::from_secs(1);

/// The flags of `tricast doctor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DoctorArgs {
    /// The URL at which clients reach the gateway, as in `https://example.com/realtime`
    #[arg(value_name = "URL")]
    place: GatewayUrl,
    /// A token or API key that may subscribe and publish
    #[arg(long, env = "TRICAST_DOCTOR_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The channel for test messages [default: a new channel, doctor-NUMBER]
    #[arg(long)]
    channel: Option<String>,
    /// Trust only this certificate (PEM): the gateway's own, or that of its certificate authority
    #[arg(long = "ca", value_name = "FILE")]
    authority: Option<PathBuf>,
    /// How long to watch silent streams, as in 3m
    #[arg(long, value_name = "TIME", default_value = "0s",
          value_parser = parse_time)]
    idle: Duration,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Examines a gateway, and prints each finding when it is known; returns whether everything works.
///
/// # Errors
/// When the gateway cannot be reached, or refuses the examination.
pub async fn doctor(args: DoctorArgs) -> anyhow::Result<bool> {
    let DoctorArgs { place, token, channel, authority, idle, json } = args;
    let url = place.to_string();
    let options = Options { gateway: place, token, channel, ca_file: authority, idle };
    let output = Output::new(json, io::stderr().is_terminal());
    output.begin(&url)?;
    let mut examining =
        pin!(tricast_doctor::examine(options, |event| output.show(event), stopped()));
    let mut ticks = tokio::time::interval(TICK);
    let examined = loop {
        tokio::select! {
            examined = &mut examining => break examined,
            _ = ticks.tick() => output.draw_status(),
        }
    };
    output.clear_status();
    match examined {
        Ok(diagnosis) => {
            output.end(&diagnosis)?;
            Ok(diagnosis.is_good())
        }
        Err(error) => {
            if json {
                let document = serde_json::json!({ "url": url, "error": format!("{error:#}") });
                println!("{document:#}");
            }
            Err(error)
        }
    }
}

/// Waits for a signal that ends the program, and returns the reason to break off.
async fn stopped() -> String {
    let next = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => signals.recv().await,
        // The signal ends the program as usual.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        _ = next(SignalKind::interrupt()) => "interrupted (SIGINT)".to_owned(),
        _ = next(SignalKind::terminate()) => "terminated (SIGTERM)".to_owned(),
    }
}
