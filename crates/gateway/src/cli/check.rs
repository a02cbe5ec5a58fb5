//! `tricast check`: checks the settings and the files that they name, and shows the rules of a
//! channel.

use clap::Args;
use tricast_core::ChannelName;

use crate::{
    lifecycle::{build, log_folder},
    settings::Settings,
};

/// The flags of `tricast check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Show the rules that apply to this channel, and where they come from
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<ChannelName>,
}

/// Checks the settings, and prints the result.
///
/// # Errors
/// When a gateway would not start with these settings.
pub fn check(settings: &Settings, args: &CheckArgs) -> anyhow::Result<()> {
    build::check(settings)?;
    log_folder::look(settings)?.iter().for_each(|warning| eprintln!("warning: {warning}"));
    log_folder::holder_note(settings).iter().for_each(|note| eprintln!("note: {note}"));
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
