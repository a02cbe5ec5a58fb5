//! The program: reads settings, serves until it is told to stop, and leaves in order.

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
    Check(tricast::CheckArgs),
    /// Make a token, or read one.
    Token(tricast::TokenArgs),
    /// Make an API key for a backend; the settings get its hash.
    Key(tricast::KeyArgs),
    /// Try the wires through whatever stands in between, and say what it does to them.
    Doctor(tricast::DoctorArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
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
        Command::Doctor(args) => return doctor(args).unwrap_or_else(failed),
    };
    done.map_or_else(failed, |()| ExitCode::SUCCESS)
}

fn failed(error: anyhow::Error) -> ExitCode {
    eprintln!("tricast: {error:#}");
    ExitCode::FAILURE
}

/// What was asked for, such as `--help`, or what is wrong with the arguments. The latter fails like anything else: 2 is a word of the doctor's.
fn print_usage(error: &clap::Error) -> ExitCode {
    // Whoever has closed the output does not want to know.
    let _ = error.print();
    if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// 0 when everything works, 2 when something does not; an error, so 1, when nothing could be asked.
fn doctor(args: tricast::DoctorArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let good = runtime.block_on(tricast::doctor(args))?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn serve(loaded: Loaded, config: Option<PathBuf>) -> anyhow::Result<()> {
    let Loaded { settings, warnings } = loaded;
    let inherited = Inherited::take()?;
    let log_level = telemetry::start(&settings.logging)?;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let program = Program::current();
    let service = Service { program, config, settings, inherited, log_level };
    let served = runtime.block_on(service.run());
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
