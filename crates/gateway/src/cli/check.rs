//! `tricast check`: checks the settings and the files that they name, and shows the rules of a
//! channel.

use clap::Args;
use tricast_core::ChannelName;

use crate::{
    lifecycle::{build, log_folder},
    relay::config::upstreams,
    settings::Settings,
};

/// The flags of `tricast check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Show the rules that apply to this channel, and where they come from
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<ChannelName>,
    /// Ask each upstream of prompts whether it answers, takes the key, and has the models
    #[arg(long)]
    probe: bool,
}

/// Checks the settings, and prints the result.
///
/// # Errors
/// When a gateway would not start with these settings.
pub fn check(settings: &Settings, args: &CheckArgs) -> anyhow::Result<()> {
    build::check(settings)?;
    log_folder::look(settings)?.iter().for_each(|warning| eprintln!("warning: {warning}"));
    log_folder::holder_note(settings).iter().for_each(|note| eprintln!("note: {note}"));
    if args.probe {
        probe_upstreams(settings)?;
    }
    let Some(channel) = &args.channel else {
        println!("the settings are valid");
        return Ok(());
    };
    print!("{}", settings.explain(channel));
    if !settings.tokens.has_keys() {
        eprintln!(
            "note: these settings have no token keys; if the service gets them from its \
             environment, check with the same environment"
        );
    }
    Ok(())
}

/// Asks each upstream for its models, and prints what it answers.
///
/// # Errors
/// When there is no upstream, or one would not take prompts.
fn probe_upstreams(settings: &Settings) -> anyhow::Result<()> {
    let upstreams = upstreams(settings)?;
    anyhow::ensure!(!upstreams.is_empty(), "--probe: the settings have no [[llm]] to ask");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut failed = Vec::new();
    for upstream in upstreams {
        let name = upstream.name.clone();
        if upstream.is_demo() {
            println!("[[llm]] {name}: built in");
            continue;
        }
        match runtime.block_on(tricast_llm::probe(upstream)) {
            Ok(probed) => {
                let models = probed
                    .models
                    .map_or_else(String::new, |count| format!(", and lists {count} models"));
                println!("[[llm]] {name}: it answers{models}");
                for model in probed.missing {
                    eprintln!("warning: [[llm]] {name}: it does not list the model {model:?}");
                }
            }
            Err(error) => {
                eprintln!("[[llm]] {name}: {error}");
                failed.push(name);
            }
        }
    }
    anyhow::ensure!(
        failed.is_empty(),
        "upstreams that would take no prompts: {}",
        failed.join(", ")
    );
    Ok(())
}
