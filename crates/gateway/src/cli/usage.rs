//! Tips for slips in the arguments: a value without its option, or a setting as an option.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::settings::variable_named;

/// Other names of `bind`.
const BIND_ALIASES: &[&str] = &["address", "host", "listen", "port"];

/// Adds a tip to a usage error, if the arguments show what was meant.
pub fn with_tip(
    mut error: clap::Error,
    mut arguments: impl Iterator<Item = String>,
) -> clap::Error {
    if ![ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand].contains(&error.kind()) {
        return error;
    }
    let kinds = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    let given = kinds.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    });
    let is_key = arguments.any(|argument| argument == "key");
    if let Some(tip) = given.and_then(|given| tip(&given, is_key)) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Returns a tip for the argument `given`; `is_key` says that the command is `tricast key`.
fn tip(given: &str, is_key: bool) -> Option<String> {
    if let Some(option) = given.strip_prefix("--") {
        let name = option.split('=').next().unwrap_or_default().replace('-', "_");
        let name = if BIND_ALIASES.contains(&name.as_str()) { "bind" } else { &name };
        let (key, variable) = variable_named(name)?;
        return Some(format!(
            "{key} is a setting: {variable} in the environment, or {key} in the file of --config"
        ));
    }
    if given.starts_with('-') {
        return None;
    }
    let is_file = given.ends_with(".toml") || given.contains('/');
    match (is_file, is_key) {
        (true, _) => Some(format!("write --config {given}")),
        (false, true) => Some(format!("write --name {given}")),
        (false, false) => None,
    }
}
