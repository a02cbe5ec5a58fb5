//! `tricast key`: creates API keys.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use tricast_admission::NewKey;
use tricast_core::ChannelPattern;

use crate::{
    cli::{atomic_file::AtomicFile, token::models},
    settings::{Key, KeyAddition, key_block},
};

/// The flags of `tricast key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The name of the key in the audit log
    #[arg(long)]
    name: String,
    /// A pattern of channels that the key may publish to; repeatable
    #[arg(long, value_name = "PATTERN", default_value = "**")]
    publish: Vec<ChannelPattern>,
    /// A pattern of channels that the key may subscribe to; repeatable
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<ChannelPattern>,
    /// A pattern of channels in which the key may prompt models; repeatable
    #[arg(long, value_name = "PATTERN")]
    prompt: Vec<ChannelPattern>,
    /// A model that the key may ask; repeatable. Without it, all that the namespace allows
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Add the key's hash to this settings file, instead of printing it
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

/// Creates a key and prints it on standard output, alone, so that a script can store it. Its hash
/// is added to a settings file, or printed on standard error.
///
/// # Errors
/// When the system has no random numbers, or the settings file is invalid, has a key of that name,
/// or cannot be replaced. The file is then unchanged.
pub fn key(args: &KeyArgs) -> anyhow::Result<()> {
    let new_key = NewKey::generate().context("the system provides no random numbers")?;
    let key = Key {
        name: args.name.clone(),
        hash: new_key.hash,
        subscribe: args.subscribe.clone(),
        publish: args.publish.clone(),
        prompt: args.prompt.clone(),
        models: models(&args.models)?,
    };
    key.check_name()?;
    let mut printed = std::io::stdout();
    let mut print = || {
        writeln!(printed, "{}", new_key.key)
            .and_then(|()| printed.flush())
            .context("the key cannot be printed")
    };
    // A note that cannot be written is not a reason to fail.
    let print_note = |text: String| drop(std::io::stderr().write_all(text.as_bytes()));
    let Some(path) = &args.append else {
        print_note(format!(
            "# The key is shown only this once. Add this to the settings (--append FILE does \
             it):\n{}",
            key_block(&key)
        ));
        return print();
    };
    let mut file = AtomicFile::open(path)?;
    let (exists, before) = (file.exists(), file.read()?);
    let KeyAddition { text, remaining_error } = KeyAddition::of(path, &before, &key)?;
    let staged = file.stage(text.as_bytes())?;
    // Print the key before it is valid: a valid key that nobody has would be useless.
    print()?;
    staged.commit()?;
    let (name, path) = (&key.name, path.display());
    print_note(match exists {
        true => format!(
            "Added the key {name:?} to {path}; send SIGHUP to a running gateway. The key is shown \
             only this once.\n"
        ),
        false => {
            format!(
                "Created the file {path} with the key {name:?}. The key is shown only this once.\n"
            )
        }
    });
    if let Some(error) = remaining_error {
        print_note(format!(
            "note: with the environment of this shell the settings are invalid: {error}\n"
        ));
    }
    Ok(())
}
