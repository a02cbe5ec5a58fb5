//! `tricast key`: makes API keys.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use tricast_admission::NewKey;
use tricast_core::ChannelPattern;

use crate::{
    atomic_file::AtomicFile,
    settings::{Key, WithKey, block},
};

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
    /// The settings file to add the key to; without it, what belongs into the settings is printed.
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

/// Makes a key and prints it on standard output, alone, so that a script can keep it. Its hash is added to a settings file,
/// or printed on standard error.
///
/// # Errors
/// When the system gives no random numbers, or the settings file is not good, has a key of that name, or cannot be replaced. The
/// file is then as it was.
pub fn key(args: &KeyArgs) -> anyhow::Result<()> {
    let made = NewKey::make().context("the system gives no random numbers")?;
    let key = Key {
        name: args.name.clone(),
        hash: made.hash,
        subscribe: args.subscribe.clone(),
        publish: args.publish.clone(),
    };
    key.check_name()?;
    match &args.append {
        Some(path) => {
            let file = AtomicFile::at(path)?;
            let WithKey { text, still_wrong } = WithKey::of(path, &file.read()?, &key)?;
            file.replace(text.as_bytes())?;
            eprintln!(
                "Added the key {:?} to {}; SIGHUP tells a gateway that runs. The key itself is shown this once:",
                key.name,
                path.display()
            );
            if let Some(error) = still_wrong {
                eprintln!(
                    "note: with the environment of this shell the settings are not good: {error}"
                );
            }
        }
        None => {
            eprintln!(
                "# The key itself is shown this once. What gateway.toml gets (--append FILE adds it):"
            );
            eprint!("{}", block(&key));
        }
    }
    let mut output = std::io::stdout();
    let printed = writeln!(output, "{}", made.key).and_then(|()| output.flush());
    printed.with_context(|| match &args.append {
        Some(path) => format!(
            "the key cannot be printed, and nobody knows it; take {:?} out of {} again",
            key.name,
            path.display()
        ),
        None => "the key cannot be printed".to_owned(),
    })
}
