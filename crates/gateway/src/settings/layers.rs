//! The layers of the settings: the reference, overridden by a file, overridden by the environment.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use toml::{Table, Value};
use tricast_admission::Secret;

use crate::settings::{
    REFERENCE, Settings,
    environment::{Environment, may_hold_secret},
};

/// Valid settings, with warnings for their author.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, which are valid.
    pub settings: Settings,
    /// Sentences about what looks like a mistake, but does not keep a gateway from starting.
    pub warnings: Vec<String>,
}

/// A settings file.
#[derive(Debug)]
struct SettingsFile {
    path: PathBuf,
    table: Table,
}

impl Settings {
    /// Loads the settings: the reference, overridden by `file` if there is one, overridden by the
    /// environment.
    ///
    /// # Errors
    /// When the file cannot be read or is not UTF-8, a key is unknown, or a value is invalid; the
    /// error names the file, the key or the variable.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Loaded> {
        let read = |path: &Path| {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            Self::from_layers(Some((path, &bytes)), std::env::vars_os())
        };
        match file {
            Some(path) => read(path),
            None => Self::from_layers(None, std::env::vars_os()),
        }
    }

    /// Loads the settings from the bytes of a file, and from variables.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_layers(
        file: Option<(&Path, &[u8])>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Loaded> {
        let loaded = Self::assemble(file, variables)?;
        loaded.settings.check()?;
        Ok(loaded)
    }

    /// Loads settings without checking that they make sense together.
    ///
    /// # Errors
    /// When a key is unknown, or a value is of another type.
    pub(super) fn assemble(
        file: Option<(&Path, &[u8])>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Loaded> {
        let reference: Table = toml::from_str(REFERENCE).context("the built-in gateway.toml")?;
        let Environment { values, mut warnings } = Environment::read(&reference, variables)?;
        let file = file.map(|(path, bytes)| SettingsFile::parse(path, bytes)).transpose()?;
        let mut settings = reference;
        if let Some(file) = &file {
            merge(&mut settings, file.table.clone());
        }
        for (key, (_, value)) in &values {
            set(&mut settings, key, value.clone())?;
        }
        let settings: Self = serde_path_to_error::deserialize(settings).map_err(|error| {
            let key = error.path().to_string();
            let message = plain_message(error.inner().message(), may_hold_secret(&key));
            // A position in a list belongs to the key of the list.
            let set = values.get(key.split('[').next().unwrap_or_default());
            match (set, &file) {
                (Some((name, _)), _) => {
                    anyhow::anyhow!("{name} in the environment: {key}: {message}")
                }
                (None, Some(file)) => anyhow::anyhow!("{}: {key}: {message}", file.path.display()),
                (None, None) => anyhow::anyhow!("{key}: {message}"),
            }
        })?;
        warnings.extend(settings.suspicious_secrets());
        Ok(Loaded { settings, warnings })
    }

    /// Returns a warning for each secret that seems to contain more than the secret. It is used as
    /// it is written nevertheless.
    fn suspicious_secrets(&self) -> impl Iterator<Item = String> {
        let suspicious = |text: &str| {
            let quoted = |quote| text.starts_with(quote) && text.ends_with(quote);
            !text.is_empty() && (quoted('"') || quoted('\'') || text.trim() != text)
        };
        let secrets =
            self.secrets().into_iter().filter(move |(_, secret)| suspicious(secret.expose()));
        secrets.map(|(key, _)| {
            format!(
                "{key} begins or ends with white space or quotes, which are used as part of it; an \
                 env file keeps its quotes, and echo adds a line feed"
            )
        })
    }

    /// Returns each secret with its key.
    pub(super) fn secrets(&self) -> [(&'static str, &Secret); 4] {
        let Self { tokens, hook, events, admin, .. } = self;
        [
            ("tokens.secret", &tokens.secret),
            ("hook.secret", &hook.secret),
            ("events.secret", &events.secret),
            ("admin.token", &admin.token),
        ]
    }

    /// Loads the reference, overridden by `text` in TOML.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_toml(text: &str) -> anyhow::Result<Self> {
        let file = Some((Path::new("settings"), text.as_bytes()));
        Ok(Self::from_layers(file, std::iter::empty())?.settings)
    }
}

impl SettingsFile {
    fn parse(path: &Path, bytes: &[u8]) -> anyhow::Result<Self> {
        let named = path.display();
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let Position { line, column } = Position::of(&bytes[..error.valid_up_to()]);
            anyhow::anyhow!(
                "{named}, line {line}, column {column}: this is not UTF-8, which TOML has to be; \
                 save the file as UTF-8 (a secret of other bytes can be written in base64 or \
                 hexadecimal digits; the digits are then the secret)"
            )
        })?;
        // The error leaves out the line itself, because it may contain a secret.
        let table = text.parse::<Table>().map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let Position { line, column } = Position::of(&bytes[..start]);
            let message = match error.message() {
                // The message of the library would show the value.
                message if message.starts_with("invalid type") => "this is not a TOML value",
                message => message,
            };
            anyhow::anyhow!("{named}, line {line}, column {column}: {message}")
        })?;
        Ok(Self { path: path.to_owned(), table })
    }
}

/// A position in a text, counted from one.
struct Position {
    line: usize,
    /// The column in characters.
    column: usize,
}

impl Position {
    /// Returns the position after `before`.
    fn of(before: &[u8]) -> Self {
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Self { line, column: String::from_utf8_lossy(&before[start..]).chars().count() + 1 }
    }
}

/// Rewrites an error of deserialization in terms of settings rather than of types. A `hidden` value
/// is left out.
fn plain_message(message: &str, hidden: bool) -> String {
    let named = ["invalid type: ", "invalid value: ", "unknown variant "];
    let found = named.iter().find_map(|name| message.strip_prefix(name));
    match found.and_then(|found| found.rsplit_once(", expected ")) {
        Some((_, expected)) if hidden => {
            format!("the value is not valid here; write {expected}")
        }
        Some((value, expected)) => format!("{value} is not valid here; write {expected}"),
        None => message.replacen("unknown field", "there is no setting", 1),
    }
}

/// Overrides `base` with `overlay`. Tables are merged; a list replaces a list.
fn merge(base: &mut Table, overlay: Table) {
    for (key, value) in overlay {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(overlay)) => merge(base, overlay),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Sets the value of a key such as `stream.heartbeat`.
fn set(table: &mut Table, key: &str, value: Value) -> anyhow::Result<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((section, rest)) => match table.get_mut(section) {
            Some(Value::Table(section)) => set(section, rest, value),
            _ => anyhow::bail!("{section}: this is a section, written [{section}]"),
        },
    }
}
