//! `tricast key`: makes API keys.

use anyhow::Context as _;
use clap::Args;
use tricast_admission::NewKey;
use tricast_core::ChannelPattern;

/// The flags of `tricast key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What the key is called in the audit log.
    #[arg(long, default_value = "backend")]
    name: String,
    /// A pattern of channels that it may publish to; may be repeated.
    #[arg(long, value_name = "PATTERN", default_value = "**")]
    publish: Vec<ChannelPattern>,
    /// A pattern of channels that it may listen to; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<ChannelPattern>,
}

/// Prints a key on standard output, alone, so that a script can keep it; and what belongs into the settings
/// on standard error.
///
/// # Errors
/// When the system gives no random numbers.
pub fn key(args: &KeyArgs) -> anyhow::Result<()> {
    let made = NewKey::make().context("the system gives no random numbers")?;
    let list = |patterns: &[ChannelPattern]| serde_json::to_string(patterns).unwrap_or_default();
    eprintln!("# The key itself is shown this once. What gateway.toml gets:");
    eprintln!("[[key]]\nname = {}", serde_json::Value::from(args.name.as_str()));
    eprintln!("hash = \"{}\"", made.hash);
    eprintln!("publish = {}\nsubscribe = {}", list(&args.publish), list(&args.subscribe));
    println!("{}", made.key);
    Ok(())
}
