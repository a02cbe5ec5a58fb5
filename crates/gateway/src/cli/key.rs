//! `tricast key`: makes API keys.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use tricast_admission::NewKey;
use tricast_core::ChannelPattern;

use crate::{
    cli::atomic_file::AtomicFile,
    settings::{Key, KeyAddition, key_block},
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
    let new_key = NewKey::generate().context("the system gives no random numbers")?;
    let key = Key {
        name: args.name.clone(),
        hash: new_key.hash,
        subscribe: args.subscribe.clone(),
        publish: args.publish.clone(),
    };
    key.check_name()?;
    let mut printed = std::io::stdout();
    let mut print = || {
        writeln!(printed, "{}", new_key.key)
            .and_then(|()| printed.flush())
            .context("the key cannot be printed")
    };
    // What is said beside the key is not worth to fail for.
    let print_note = |text: String| drop(std::io::stderr().write_all(text.as_bytes()));
    let Some(path) = &args.append else {
        print_note(format!(
            "# The key itself is shown this once. What gateway.toml gets (--append FILE adds it):\n{}",
            key_block(&key)
        ));
        return print();
    };
    let mut file = AtomicFile::open(path)?;
    let (exists, before) = (file.exists(), file.read()?);
    let KeyAddition { text, remaining_error } = KeyAddition::of(path, &before, &key)?;
    let staged = file.stage(text.as_bytes())?;
    // Before it counts: a key that counts and that nobody knows would be in the way.
    print()?;
    staged.commit()?;
    let (name, path) = (&key.name, path.display());
    print_note(match exists {
        true => format!(
            "Added the key {name:?} to {path}; SIGHUP tells a gateway that runs. It is shown this once.\n"
        ),
        false => {
            format!("Made the file {path} with the key {name:?} in it, which is shown this once.\n")
        }
    });
    if let Some(error) = remaining_error {
        print_note(format!(
            "note: with the environment of this shell the settings are not good: {error}\n"
        ));
    }
    Ok(())
}
