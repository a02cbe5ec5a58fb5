//! `tricast check`: whether the settings are good, with the files that they name; and what they mean for a channel.

use clap::Args;
use tricast_core::ChannelName;

use crate::{lifecycle::build::Components, settings::Settings};

/// What `tricast check` takes.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Tell also which rules hold for this channel, and why.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<ChannelName>,
}

/// Prints what it finds.
///
/// # Errors
/// When a gateway would not start with these settings.
pub fn check(settings: &Settings, args: &CheckArgs) -> anyhow::Result<()> {
    Components::build(settings)?;
    let Some(channel) = &args.channel else {
        println!("the settings are good");
        return Ok(());
    };
    print!("{}", settings.explain(channel));
    if !settings.tokens.has_keys() {
        eprintln!(
            "note: there are no keys for tokens in these settings; if the service gets them by environment, \
             check with the same environment"
        );
    }
    Ok(())
}
