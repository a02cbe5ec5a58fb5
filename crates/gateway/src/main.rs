//! The program: reads settings, serves until it is told to stop, and leaves in order.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tricast::{Gateway, settings::Settings, telemetry};
use tricast_core::ChannelName;

/// A realtime gateway: one stream, three wires.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// Settings; gateway.toml in the repository shows all of them.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve; what the program does without a command.
    Serve,
    /// Say whether the settings are good, and stop.
    Check(CheckArgs),
    /// Make a token, or read one.
    Token(tricast::TokenArgs),
    /// Make an API key for a backend; the settings get its hash.
    Key(tricast::KeyArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Tell also which rules hold for this channel, and why.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<ChannelName>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = Settings::load(cli.config.as_deref()).and_then(|settings| {
        match cli.command.unwrap_or(Command::Serve) {
            Command::Serve => serve(settings),
            Command::Check(args) => check(&settings, &args),
            Command::Token(args) => tricast::token(&settings, &args),
            Command::Key(args) => tricast::key(&args),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tricast: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(settings: &Settings, args: &CheckArgs) -> anyhow::Result<()> {
    telemetry::filter(&settings.logging)?;
    settings.token_keys()?;
    match &args.channel {
        None => println!("the settings are good"),
        Some(channel) => print!("{}", settings.explain(channel)),
    }
    Ok(())
}

fn serve(settings: Settings) -> anyhow::Result<()> {
    telemetry::start(&settings.logging)?;
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let gateway = Gateway::start(settings)?;
        println!(
            "tricast listening on http://{}, admin on http://{}",
            gateway.address, gateway.admin_address
        );
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::select! {
            _ = gateway.shut_down() => {}
            // Who asks twice does not want to wait.
            _ = interrupt.recv() => {}
        }
        anyhow::Ok(())
    });
    // What is left after the grace time is cut.
    runtime.shutdown_background();
    served
}

/// Every connection is a file; the soft limit is often a small part of what is allowed.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
