//! The program: reads the settings, serves until a signal stops it, and shuts down in order.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tricast::{
    Inherited, Program, Service,
    settings::{Loaded, Settings},
    telemetry,
};

/// A realtime gateway: one stream, three wires.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// The settings file; gateway.toml in the repository lists all settings
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default)
    Serve,
    /// Check the settings, or show the rules of a channel
    Check(tricast::CheckArgs),
    /// Create or inspect a token
    Token(tricast::TokenArgs),
    /// Create an API key for a backend
    Key(tricast::KeyArgs),
    /// Check, read or back up a log on disk, or take over one that was moved or restored
    Log(tricast::LogArgs),
    /// Test each wire through the proxies and networks in front of a gateway
    Doctor(tricast::DoctorArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&tricast::with_tip(error, std::env::args())),
    };
    let load = || Settings::load(cli.config.as_deref());
    let settings = || {
        let Loaded { settings, warnings } = load()?;
        warnings.iter().for_each(|warning| eprintln!("tricast: warning: {warning}"));
        anyhow::Ok(settings)
    };
    let done = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => load().and_then(|loaded| serve(loaded, cli.config)),
        Command::Check(args) => settings().and_then(|settings| tricast::check(&settings, &args)),
        Command::Token(args) => settings().and_then(|settings| tricast::token(&settings, &args)),
        Command::Key(args) => tricast::key(&args),
        Command::Log(args) => return log(settings, args).unwrap_or_else(not_done),
        Command::Doctor(args) => return doctor(args).unwrap_or_else(failed),
    };
    done.map_or_else(failed, |()| ExitCode::SUCCESS)
}

fn failed(error: anyhow::Error) -> ExitCode {
    eprintln!("tricast: {error:#}");
    ExitCode::FAILURE
}

/// Prints what was asked for, such as `--help`, or the error in the arguments. Usage errors exit
/// with 1, because exit code 2 is reserved for `tricast doctor`; those of `tricast log` exit with
/// 2, because 1 says that a log is damaged.
fn print_usage(error: &clap::Error) -> ExitCode {
    // The output may be closed; there is nowhere else to report that.
    let _ = error.print();
    let is_of_log = || std::env::args().skip(1).any(|argument| argument == "log");
    match error.use_stderr() {
        false => ExitCode::SUCCESS,
        true if is_of_log() => ExitCode::from(2),
        true => ExitCode::FAILURE,
    }
}

/// Returns 0 when the log is sound, and 1 when it is damaged.
fn log(
    settings: impl Fn() -> anyhow::Result<Settings>,
    args: tricast::LogArgs,
) -> anyhow::Result<ExitCode> {
    // A log has a file for each segment.
    raise_file_limit();
    let sound = tricast::log(&settings()?, args)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says why a command of `tricast log` was not done.
fn not_done(error: anyhow::Error) -> ExitCode {
    failed(error);
    ExitCode::from(2)
}

/// Returns 0 when everything works, and 2 when something does not. An error exits with 1: the
/// gateway could not be examined.
fn doctor(args: tricast::DoctorArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let good = runtime.block_on(tricast::doctor(args));
    // An examination that was broken off may still wait for a name server.
    runtime.shutdown_background();
    Ok(if good? { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn serve(loaded: Loaded, config: Option<PathBuf>) -> anyhow::Result<()> {
    let Loaded { settings, warnings } = loaded;
    let inherited = Inherited::take()?;
    let log_level = telemetry::start(&settings.logging)?;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    raise_file_limit();
    tricast::check_open_files(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let program = Program::current();
    let service = Service { program, config, settings, inherited, log_level };
    let served = runtime.block_on(service.run());
    // Streams that are left after the grace time are cut.
    runtime.shutdown_background();
    served
}

/// Raises the soft limit of open files to the hard limit: every connection takes a file descriptor.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
